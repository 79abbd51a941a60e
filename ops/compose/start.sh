#!/bin/sh
# A part of the bus in docker-compose.yml: `secret`, `control`, `setup` or `site`. Each may be started again: what is there is
# kept. Directories and addresses come from the environment, so that the same script runs without containers too.
set -eu
umask 077

dir=${MBUS_DIR:-/var/lib/mbus}
tokens=${MBUS_TOKENS:-/var/lib/mbus-tokens}
secrets=${MBUS_SECRETS:-/var/lib/mbus-secrets}

case "$1" in
# the database's password: made once, known to the database and the control plane
secret)
  [ -s "$secrets/postgres" ] || head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n' > "$secrets/postgres"
  # the database's image reads it as another user; only these two containers have the volume
  chmod 0444 "$secrets/postgres"
  chmod 0755 "$secrets"
  ;;

control)
  if [ -z "${DATABASE_URL:-}" ]; then
    DATABASE_URL="postgres://mbus:$(cat "$secrets/postgres")@$MBUS_POSTGRES/mbus"
    export DATABASE_URL
  fi
  [ -s "$dir/control.json" ] ||
    mbus init --dir "$dir" --listen "$MBUS_LISTEN" --leaf-listen "$MBUS_LEAF_LISTEN" \
      --advertise "$MBUS_ADVERTISE" --advertise-client "$MBUS_ADVERTISE_CLIENT"
  set -- --dir "$dir" --monitor "$MBUS_MONITOR"
  [ -z "${MBUS_CONSOLE:-}" ] || set -- "$@" --console "$MBUS_CONSOLE" --console-url "$MBUS_CONSOLE_URL"
  exec mbus control run "$@"
  ;;

# brings the bus to the file, and writes a token for each site that has not joined
setup)
  until mbus status --dir "$dir" > /dev/null 2>&1; do sleep 1; done
  mbus apply -f "$MBUS_FILE" --dir "$dir"
  for site in $MBUS_SITES; do
    [ -e "$tokens/$site.joined" ] || mbus site token "$site" --dir "$dir" --out "$tokens/$site"
  done
  ;;

site)
  if [ ! -s "$dir/site.json" ]; then
    until [ -s "$tokens/$MBUS_SITE" ]; do sleep 1; done
    set -- --dir "$dir" --token-file "$tokens/$MBUS_SITE" --listen "$MBUS_LISTEN"
    [ -z "${MBUS_LEAF_LISTEN:-}" ] || set -- "$@" --leaf-listen "$MBUS_LEAF_LISTEN"
    mbus site join "$@"
    touch "$tokens/$MBUS_SITE.joined"
    rm -f "$tokens/$MBUS_SITE"
  fi
  exec mbus sidecar run --dir "$dir" --monitor "$MBUS_MONITOR"
  ;;

*)
  echo "mbus-start: no part $1" >&2
  exit 2
  ;;
esac
