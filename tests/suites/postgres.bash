# SPDX-License-Identifier: MIT
# PostgreSQL: hundreds of backends, parallel workers, one backend killed, and as many statements
# and sessions counted as its log has.

PG_VERSION=$(version_of postgresql postgresql-)
POSTGRES_PACKAGES=("postgresql-$PG_VERSION" "postgresql-client-$PG_VERSION")

PG_BIN=/usr/lib/postgresql/$PG_VERSION/bin

# It does not run as root.
pg_user()
{
	"${in_front[@]}" "$@"
}

pg_prepare()
{
	local dir=$1

	chmod 755 "$scratch"
	[ "$UID" -ne 0 ] || chown postgres "$dir"
	pg_user "$PG_BIN/initdb" -D "$dir/data" -U postgres -A trust --no-sync >"$dir/initdb.out" 2>&1
	pg_user tee -a "$dir/data/postgresql.conf" >/dev/null <<-END
		listen_addresses = ''
		unix_socket_directories = '$dir'
		fsync = off
		autovacuum = off
		log_statement = all
		log_connections = on
		max_connections = 40
	END
}

PG_QUERIES="create table t as select i, md5(i::text) m, i % 17 k from generate_series(1, 30000) i;
create index on t (m); analyze t;
select k, count(*), max(m), avg(i)::numeric(12, 3) from t group by k order by k;
set work_mem = '64kB'; select md5(string_agg(m, '' order by m desc)) from t;
set force_parallel_mode = on; set min_parallel_table_scan_size = 0; set parallel_setup_cost = 0;
select count(*) from t where m like '%abc%';
do \$\$ begin perform 1 / 0; exception when division_by_zero then raise notice 'caught'; end \$\$;
select 1 / 0; select * from nowhere; select substring(m from '([a-f]+)') from t where i < 20;
do \$\$ declare n int := 0; begin for i in 1..20000 loop n := n + i; end loop; raise notice '%', n;
end \$\$; select jsonb_agg(t) from t where i < 5; set statement_timeout = '100ms';
select pg_sleep(5); listen x; notify x; drop table t;"

pg_replies()
{
	psql -h "$1" -U postgres -X -c "$PG_QUERIES" >replies 2>&1
	echo "$PG_QUERIES" | psql -h "$1" -U postgres -X >>replies 2>&1
	sed 's/PID [0-9]*/PID/' replies | md5sum | cut -d' ' -f1
}

# As a crash would: all others are ended, and the server recovers.
pg_kill_a_backend()
{
	local backend

	psql -h "$1" -U postgres -X -c 'select pg_sleep(60)' >/dev/null 2>&1 &
	sleep 2
	backend=$(psql -h "$1" -U postgres -X -A -t -c \
		"select pid from pg_stat_activity where query ~ 'pg_sleep\(60' and pid <> pg_backend_pid()")
	kill -KILL "$backend"
	retry 30 eval "psql -h $1 -U postgres -X -A -t -c 'select 41 + 1' | grep -q 42" &&
		echo "recovery done"
}

pg_load()
{
	local dir=$1 seconds=$2 failed=0

	"$PG_BIN/pgbench" -h "$dir" -U postgres -i -q -s 2 postgres >pgbench.out 2>&1 || failed=1
	timeout $((seconds + 60)) nice -n 5 "$PG_BIN/pgbench" -h "$dir" -U postgres -n -c 8 \
		-T $((seconds * 2 / 3)) postgres >>pgbench.out 2>&1 || failed=$((failed + 1))
	# A new session, so a new process, for each transaction.
	timeout $((seconds + 60)) nice -n 5 "$PG_BIN/pgbench" -h "$dir" -U postgres -n -S -C -c 4 \
		-T $((seconds / 3)) postgres >>pgbench.out 2>&1 || failed=$((failed + 1))
	echo "load_failures $((failed + $(grep -cE 'ERROR|FATAL|aborted' pgbench.out)))"
}

suite_postgres()
{
	local plan=$1 dir launcher watcher in_front=()

	[ "$UID" -ne 0 ] || in_front=(setpriv --reuid=postgres --regid=postgres --init-groups)
	dir=$(folder postgres "$plan")
	pg_prepare "$dir"
	cd "$dir" || return
	# Appended by several processes at once.
	(probed "$plan" 'p libc.so.6:*; p *' "$PG_BIN/postgres" -D "$dir/data") \
		>>out 2>>err </dev/null &
	launcher=$!
	retry 60 "$PG_BIN/pg_isready" -h "$dir" || echo "start failed"
	echo "replies $(pg_replies "$dir")"
	watch_memory memory head -n 1 "$dir/data/postmaster.pid" &
	watcher=$!
	pg_load "$dir" "$SECONDS_OF_LOAD"
	pg_kill_a_backend "$dir"
	kill "$watcher"
	kill -TERM "$launcher"
	wait "$launcher"
	echo "exit_status $?"
	memory_verdict memory postmaster
	expect_count "$plan" statements "$(hits err pg_parse_query)" "$(grep -c 'LOG:  statement: ' err)"
	expect_count "$plan" sessions "$(hits err PostgresMain)" \
		"$(grep -c 'LOG:  connection authorized: ' err)"
	sed -n 's/^emuprobe: \(.* processes\)/    \1/p' err >&2
}
