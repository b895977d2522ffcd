# SPDX-License-Identifier: MIT
# redis-server, all functions of which are in its symbol table: replies, snapshots by forked
# children, memory, and for each command as many calls of its function as redis itself counted.

# The server is in the package of the tools; the other one would only start it.
REDIS_PACKAGES=(redis-tools)

redis_replies()
{
	seq 500 | awk '{
		print "set k" $1 " v" $1 * 7; print "incrby n " $1; print "lpush l " $1
		print "zadd z " $1 % 37 " m" $1; print "hset h f" $1 " " $1; print "append s " $1
		print "get k" $1 - 3; print "bogus " $1; print "getrange s 3 " $1
	} END {
		print "lrange l 0 -1"; print "zrange z 0 -1 withscores"; print "sort l desc limit 0 20"
		print "eval \"local s = 0; for i = 1, 10000 do s = s + i end; return s\" 0"
		print "hgetall h"; print "dbsize"; print "flushall"
	}' | redis-cli -p "$1" | md5sum | cut -d' ' -f1
}

redis_load()
{
	local port=$1 end=$((SECONDS + $2)) failed=0

	while [ "$SECONDS" -lt "$end" ]; do
		nice -n 5 timeout 600 redis-benchmark -p "$port" -c 16 -n 10000 -r 10000 -q \
			>>benchmark.out 2>&1 || failed=$((failed + 1))
		redis-cli -p "$port" bgsave >/dev/null
	done
	retry 20 eval "redis-cli -p $port info persistence | grep -q bgsave_in_progress:0"
	grep -ciE 'error|reset' benchmark.out | awk -v n="$failed" '{ print "load_failures", n + $1 }'
	redis-cli -p "$port" info persistence | tr -d '\r' |
		sed -n 's/^rdb_last_bgsave_status:/snapshot /p'
}

# cmdstat_lpush:calls=5 says how often lpushCommand() must have been called.
redis_counts()
{
	local plan=$1 command calls

	while IFS=' ' read -r command calls; do
		grep -q ":${command}Command$" err || [ "$plan" = bare ] || continue
		expect_count "$plan" "command_$command" "$(hits err "${command}Command")" "$calls"
	done < <(sed -n 's/^cmdstat_\([a-z]*\):calls=\([0-9]*\),.*/\1 \2/p' stats | grep -v '^info ')
	# INFO, which said so, was called but not yet counted.
	expect_count "$plan" commands "$(hits err call)" \
		"$(($(sed -n 's/^total_commands_processed:\([0-9]*\).*/\1/p' stats) + 1))"
}

suite_redis()
{
	local plan=$1 port=$((17000 + RANDOM % 1000)) dir launcher server watcher

	dir=$(folder redis "$plan")
	cd "$dir" || return
	ln -s /usr/bin/redis-check-rdb "$dir/redis-server"
	(probed "$plan" "$EVERYTHING" "$dir/redis-server" --port "$port" --save '' --io-threads 2 \
		--io-threads-do-reads yes --dir "$dir") >out 2>err </dev/null &
	launcher=$!
	retry 30 eval "redis-cli -p $port ping | grep -q PONG" || echo "start failed"
	server=$(redis-cli -p "$port" info server | tr -d '\r' | sed -n 's/^process_id://p')
	echo "replies $(redis_replies "$port")"
	watch_memory memory echo "$server" &
	watcher=$!
	redis_load "$port" "$SECONDS_OF_LOAD"
	kill "$watcher"
	redis-cli -p "$port" info all | tr -d '\r' >stats
	kill -TERM "$launcher"
	wait "$launcher"
	echo "exit_status $?"
	memory_verdict memory redis-server
	redis_counts "$plan"
}
