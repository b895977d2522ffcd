/* SPDX-License-Identifier: MIT */
/* Names of variables to addresses. */
#include "include/counting.h"
#include "probe/api/places.h"
#include "probe/engine/engine.h"
#include "probe/engine/lock.h"
#include "probe/image/data.h"
#include "probe/image/objects.h"
#include "probe/thread/thread.h"

struct data_request {
	const struct ep_place *place;
	uint64_t address;
	bool saw_object;
	int error;
};

static int look_in(struct data_request *request, const struct objects_object *object)
{
	const struct ep_place *place = request->place;

	if (!places_is_within(object, place->within) || !places_object_matches(object, place))
		return 0;
	request->saw_object = true;
	if (place->symbol)
		return data_find(object, place->symbol, &request->address);
	request->address = data_of_file_offset(object, place->offset);
	return 0;
}

static void find_data(void *data)
{
	struct data_request *request = data;
	struct objects_object **objects;
	size_t count;

	request->error = objects_list(&objects, &count);
	for (size_t i = 0; !request->error && !request->address && i < count; i++)
		request->error = look_in(request, objects[i]);
	if (!request->error && !request->address)
		request->error = !request->saw_object	  ? -EP_NO_OBJECT
				 : request->place->symbol ? -EP_NO_SYMBOL
							  : -EP_BAD_OFFSET;
}

int ep_resolve_data(const struct ep_place *place, const void **ret)
{
	struct data_request request = {.place = place};

	if (probe_thread_in_handler())
		return -EP_IN_HANDLER;
	engine_lock();
	engine_hold_objects(find_data, &request);
	engine_unlock();
	*ret = (const void *)request.address;
	return request.error;
}
