# SPDX-License-Identifier: MIT
# Emacs byte-compiles a file, loads what came out, and runs a program.

EMACS_PACKAGES=(emacs-nox)

emacs_file()
{
	cat <<-'END'
		;;; -*- lexical-binding: t -*-
		(require 'cl-lib)
		(defun squares (x) (cl-loop for i below x sum (* i i)))
		(defmacro told (a) `(progn (message "%s" ,a) ,a))
		(defun work () (told (squares 100)) (mapcar #'squares '(1 2 3)))
	END
}

suite_emacs()
{
	local plan=$1 in_front=(timeout -k 5 300)

	cd "$(folder emacs "$plan")" || return
	emacs_file >file.el
	(probed "$plan" "$EVERYTHING" emacs -Q -batch -f batch-byte-compile file.el) >out 2>err
	echo "compile $?-$(md5sum <file.elc | cut -d' ' -f1)"
	(probed "$plan" "$EVERYTHING" emacs -Q -batch -l file.elc --eval '(princ (work))' \
		--eval '(princ (shell-command-to-string "echo text"))') >out 2>err
	echo "run $?-$(md5sum <out | cut -d' ' -f1)"
}
