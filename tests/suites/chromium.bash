# SPDX-License-Identifier: MIT
# Chromium without a screen: the picture of a page with text, a canvas and a script must be the same
# to the last bit. With its sandbox, which root cannot have: namespaces, into which the launcher
# does not reach, so once more by the environment alone; and without it.

CHROMIUM_PACKAGES=(chromium)

chromium_page()
{
	cat <<-'END'
		<!doctype html><body style="margin:0;background:#fff"><h1>Text</h1>
		<canvas id=c width=300 height=100></canvas><p id=p></p><script>
		const c = document.getElementById('c').getContext('2d');
		for (let i = 0; i < 30; i++) {
			c.fillStyle = `hsl(${i * 12},80%,50%)`;
			c.fillRect(i * 10, 0, 9, 90);
		}
		let sum = 0;
		for (let i = 0; i < 3e6; i++)
			sum = (sum * 31 + i) % 1000003;
		document.getElementById('p').textContent = 'sum ' + sum;
		</script><svg width=100 height=100><circle cx=50 cy=50 r=40 fill=teal /></svg>
	END
}

# chromium_picture NAME COMMAND...: the verdict of one that takes a picture.
chromium_picture()
{
	local name=$1

	shift
	mkdir "$name"
	(
		export HOME=$PWD/$name
		"$@" chromium --headless=new --disable-gpu --user-data-dir="$HOME/data" \
			--screenshot="$HOME/picture.png" --window-size=800,600 "${sandbox[@]}" \
			"file://$PWD/page.html"
	) >"$name/out" 2>"$name/err" </dev/null
	echo "$name $?-$(md5sum <"$name/picture.png" | cut -d' ' -f1)"
}

chromium_plain()
{
	[ "$1" = bare ] || export EMUPROBE_COUNT=1 EMUPROBE_QUIET=1 EMUPROBE_PLAN=$1 \
		EMUPROBE="p libc.so.6:*" LD_PRELOAD=$build/libemuprobe-preload.so
	shift
	"$@"
}

suite_chromium()
{
	local plan=$1 in_front=(timeout -k 5 600) sandbox=(--no-sandbox)

	cd "$(folder chromium "$plan")" || return
	chromium_page >page.html
	chromium_picture without_sandbox probed "$plan" 'p libc.so.6:*'
	if [ "$UID" -eq 0 ]; then
		echo "  chromium: its sandbox is not tried: root has none" >&2
		return
	fi
	sandbox=()
	chromium_picture with_sandbox probed "$plan" 'p libc.so.6:*'
	chromium_picture by_environment chromium_plain "$plan" timeout -k 5 600
}
