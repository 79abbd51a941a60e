#!/bin/sh
# Fetches the brokers that the bench compares with: RabbitMQ and Mosquitto from Debian. Neither is started as a service;
# the bench starts its own, in directories of its own.
set -eu
if [ "$(id -u)" != 0 ] || ! command -v apt-get > /dev/null; then
  echo "install.sh: needs root and apt-get; without the brokers the bench leaves their rows out" >&2
  exit 1
fi
# the packages' own start scripts ask this file first; 101 forbids it
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  printf '#!/bin/sh\nexit 101\n' > "$policy"
  chmod 755 "$policy"
fi
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends rabbitmq-server mosquitto
