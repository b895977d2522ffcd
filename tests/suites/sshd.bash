# SPDX-License-Identifier: MIT
# sshd on loopback with a configuration of its own: logins that run a command. It executes itself
# for each connection, and where it is root what speaks to the network is another user, in a seccomp
# filter that does not list rt_sigreturn(2).

SSHD_PACKAGES=(openssh-server openssh-client)

LOGINS=${LOGINS:-50}

sshd_prepare()
{
	local dir=$1 port=$2 key

	for key in host key; do
		ssh-keygen -q -t ed25519 -N '' -f "$dir/$key"
	done
	[ "$UID" -ne 0 ] || mkdir -p /run/sshd
	cat >"$dir/config" <<-END
		Port $port
		ListenAddress 127.0.0.1
		HostKey $dir/host
		AuthorizedKeysFile $dir/key.pub
		PidFile $dir/pid
		StrictModes no
		UsePAM no
		MaxStartups 100
		PermitRootLogin yes
	END
}

# What is printed to standard error and the exit status come through, too.
sshd_login()
{
	timeout 120 ssh -F none -i key -p "$1" -o BatchMode=yes -o UserKnownHostsFile=known \
		-o StrictHostKeyChecking=no -o LogLevel=ERROR 127.0.0.1 \
		"echo login $2; echo error >&2; exit 7" >"login.$2" 2>&1 </dev/null
	echo "login_$2 $?-$(sort "login.$2" | tr ' \n' '_-')"
}

suite_sshd()
{
	local plan=$1 port=$((19000 + RANDOM % 1000)) dir launcher i

	dir=$(folder sshd "$plan")
	sshd_prepare "$dir" "$port"
	cd "$dir" || return
	(probed "$plan" "$EVERYTHING" /usr/sbin/sshd -D -e -f "$dir/config") >out 2>err </dev/null &
	launcher=$!
	retry 60 eval "ssh-keyscan -p $port 127.0.0.1 | grep -q ." || echo "start failed"
	for ((i = 1; i <= LOGINS; i++)); do
		sshd_login "$port" "$i"
	done
	kill -TERM "$(cat pid)"
	wait "$launcher"
	echo "exit_status $?"
}
