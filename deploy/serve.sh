#!/bin/sh
# The whole server in one terminal, for `make serve DOMAIN=…`: application, TLS, jobs, nightly backup and retention.
# Ends together: Ctrl-C stops all. deploy/*.service do the same for a machine that is to run on its own.
set -eu
domain=${1:?usage: deploy/serve.sh DOMAIN}
python=${TRUEHUE_PYTHON:-.venv/bin/python}
port=${TRUEHUE_PORT:-8000}
command -v caddy >/dev/null || { echo "serve: needs Caddy; run: sudo apt-get install -y caddy" >&2; exit 2; }
export TRUEHUE_DOMAIN="$domain" TRUEHUE_PORT="$port" TRUEHUE_HTTPS=1 TRUEHUE_PROXIES=1
export TRUEHUE_HOSTS="${TRUEHUE_HOSTS:-$domain}" TRUEHUE_INSTANCE="${TRUEHUE_INSTANCE:-instance}"
backups=${TRUEHUE_BACKUPS:-$TRUEHUE_INSTANCE-backups}
"$python" -m flask --app study upgrade
pids=""
stop() { trap - INT TERM EXIT; kill $pids 2>/dev/null || true; wait; }
trap stop INT TERM EXIT
"$python" -m gunicorn "study:create_app()" --bind "127.0.0.1:$port" --workers 2 --worker-class gthread --threads 8 \
    --keep-alive 60 --no-control-socket & pids="$pids $!"
"$python" -m flask --app study work & pids="$pids $!"
caddy run --config deploy/Caddyfile --adapter caddyfile & pids="$pids $!"
# Every night at three (UTC): a backup, then what retention says may no longer be kept.
( while :; do
    sleep $(( (97200 - $(date -u +%s) % 86400 - 1) % 86400 + 1 )) & wait $!
    mkdir -p "$backups"
    "$python" -m flask --app study backup "$backups/$(date -u +%Y%m%dT%H%M%SZ)" || true
    "$python" -m flask --app study retention || true
  done ) & pids="$pids $!"
echo "https://$domain/ (console: https://$domain/console/); check with: flask --app study preflight STUDY --url https://$domain"
# One of them ending ends all: half a server is none.
while for pid in $pids; do kill -0 "$pid" 2>/dev/null || exit 1; done; do sleep 2; done
