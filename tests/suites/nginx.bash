# SPDX-License-Identifier: MIT
# nginx with two workers, plain and over TLS: replies, a reload under load, memory, and as many
# requests and TLS sessions counted as its log and its client saw.

NGINX_PACKAGES=(nginx-light wrk apache2-utils curl openssl)

nginx_prepare()
{
	local dir=$1 port=$2

	mkdir -p "$dir/www" "$dir/tmp"
	chmod 755 "$dir" "$dir/www"
	seq 20000 >"$dir/www/big.txt"
	echo small >"$dir/www/small.txt"
	openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost \
		-keyout "$dir/key.pem" -out "$dir/cert.pem" 2>/dev/null
	cat >"$dir/nginx.conf" <<-END
		daemon off;
		worker_processes 2;
		pid $dir/pid;
		error_log $dir/error.log info;
		events { worker_connections 256; }
		http {
			log_format counted '\$status \$pid \$connection \$scheme \$request';
			access_log $dir/access.log counted;
			client_body_temp_path $dir/tmp/body;
			proxy_temp_path $dir/tmp/proxy;
			fastcgi_temp_path $dir/tmp/fastcgi;
			uwsgi_temp_path $dir/tmp/uwsgi;
			scgi_temp_path $dir/tmp/scgi;
			ssl_session_tickets off;
			server {
				listen 127.0.0.1:$port;
				listen 127.0.0.1:$((port + 1)) ssl;
				ssl_certificate $dir/cert.pem;
				ssl_certificate_key $dir/key.pem;
				root $dir/www;
				gzip on;
				gzip_types text/plain;
				location /again/ { rewrite ^/again/(.*)$ /\$1 last; }
				location /gone { return 410 "gone\n"; }
			}
		}
	END
}

nginx_replies()
{
	local url

	for url in small.txt big.txt none again/big.txt gone '%2e%2e/x'; do
		curl -sk --compressed -w '%{http_code}\n' "http://127.0.0.1:$1/$url"
		curl -sk -w '%{http_code}\n' "https://127.0.0.1:$(($1 + 1))/$url"
		curl -sk -r 100-999 -w '%{http_code}\n' "http://127.0.0.1:$1/$url"
	done | md5sum | cut -d' ' -f1
}

nginx_load()
{
	local port=$1 end=$((SECONDS + $2)) failed=0

	while [ "$SECONDS" -lt "$end" ]; do
		timeout 60 nice -n 5 wrk -t1 -c16 -d8s "http://127.0.0.1:$port/big.txt" >>wrk.out 2>&1 ||
			failed=$((failed + 1))
		timeout 60 nice -n 5 ab -q -n 300 -c 8 "https://127.0.0.1:$((port + 1))/small.txt" \
			>>ab.out 2>&1 || failed=$((failed + 1))
		kill -HUP "$(cat pid)"
		sleep 0.5
	done
	failed=$((failed + $(awk '/^Failed requests:/ { n += $3 } END { print n + 0 }' ab.out)))
	echo "load_failures $((failed + $(grep -c Non-2xx wrk.out)))"
}

# Those with a request are in one log, those that the client gave up before that in the other.
nginx_tls_sessions()
{
	local asked

	asked=$(awk '$4 == "https" && !seen[$2, $3]++ { n++ } END { print n + 0 }' access.log)
	echo $((asked + $(grep -cE \
		"while SSL handshaking|while waiting for request.*server: [0-9.]*:$1" error.log)))
}

suite_nginx()
{
	local plan=$1 port=$((18000 + 2 * (RANDOM % 500))) dir launcher watcher
	local definitions='p libc.so.6:*; p *; p libssl.so.3:*; p libpcre2-8.so.0:*; p libz.so.1:*'

	dir=$(folder nginx "$plan")
	nginx_prepare "$dir" "$port"
	cd "$dir" || return
	(probed "$plan" "$definitions" /usr/sbin/nginx -p "$dir" -c "$dir/nginx.conf") \
		>out 2>err </dev/null &
	launcher=$!
	retry 60 curl -s "http://127.0.0.1:$port/small.txt" || echo "start failed"
	echo "replies $(nginx_replies "$port")"
	watch_memory memory eval 'pgrep -P "$(cat pid)"' &
	watcher=$!
	nginx_load "$port" "$SECONDS_OF_LOAD"
	kill "$watcher"
	kill -TERM "$launcher"
	wait "$launcher"
	echo "exit_status $?"
	echo "alerts $(grep -cE '\[(alert|emerg|crit)\]' error.log)"
	memory_verdict memory 'all workers'
	expect_count "$plan" requests "$(hits err ngx_http_free_request)" "$(wc -l <access.log)"
	expect_count "$plan" tls_sessions "$(hits err SSL_new)" "$(nginx_tls_sessions $((port + 1)))"
}
