/* SPDX-License-Identifier: MIT */
/* Which functions may be called to learn what an indirect function (IFUNC) means. */
#ifndef EMUPROBE_PROBE_IMAGE_RESOLVERS_H
#define EMUPROBE_PROBE_IMAGE_RESOLVERS_H

#include "probe/image/object.h"

/**
 * May @function, of kind OBJECTS_IFUNC, be called as a resolver, without arguments?
 *
 * Context:  engine lock held; @object's functions have been read. Its relocations are read when this is
 *           first asked of a symbol that is not exported: as long as they are.
 */
bool resolvers_may_call(struct objects_object *object, const struct objects_function *function);

/**
 * Where the code of @function is: of an indirect one, what its resolver says, which is called.
 *
 * @return   0: that is not known.
 * Context:  as above.
 */
uint64_t resolvers_implementation(struct objects_object *object,
				  const struct objects_function *function);

#endif
