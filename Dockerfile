# MessageBus in one image: control plane, sidecar and nats-server; `mbus` is the command. Used by docker-compose.yml.
FROM nats:2.15.1-alpine AS nats

FROM node:24-slim AS build
WORKDIR /build
COPY . .
RUN npm ci && npm pack --pack-destination /tmp

FROM node:24-slim
COPY --from=nats /usr/local/bin/nats-server /usr/local/bin/nats-server
COPY --from=build /tmp/messagebus-mbus-*.tgz /tmp/
RUN npm install --global /tmp/messagebus-mbus-*.tgz \
 && rm -r /tmp/messagebus-mbus-*.tgz /root/.npm \
 && useradd --system --home-dir /var/lib/mbus mbus \
 && install --directory --owner mbus --mode 0700 /var/lib/mbus /var/lib/mbus-tokens /var/lib/mbus-secrets
COPY ops/compose/start.sh /usr/local/bin/mbus-start
USER mbus
ENTRYPOINT ["mbus"]
