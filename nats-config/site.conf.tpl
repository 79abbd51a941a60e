# nats-server of one site. Written by the sidecar; every change by hand is lost with the next one.
server_name: {{serverName}}
listen: {{listen}}
http: {{monitor}}

log_file: {{logFile}}
logfile_size_limit: 16777216
logfile_max_num: 4

# The site is its own trust domain. The operator's token must stay the same text, or a reload is refused.
operator: {{operatorJwt}}
system_account: {{systemAccount}}
resolver { type: full, dir: {{resolverDir}}, allow_delete: true, interval: "2m" }
resolver_preload: {{preload}}

max_payload: {{maxPayload}}
max_pending: 67108864
# a subject of 4 KiB, with the stream's secret before it when it arrives
max_control_line: 8192
max_connections: 65536
write_deadline: "10s"
ping_interval: "20s"
ping_max: 3
lame_duck_grace_period: "2s"
lame_duck_duration: "30s"

{{> appTls}}

jetstream {
  enabled: true
  store_dir: {{storeDir}}
  # Streams carry their own quotas; this bound only stops nonsense.
  max_file_store: {{maxStoreBytes}}
  max_memory_store: 268435456
  sync_interval: {{syncInterval}}
}

{{> cluster}}{{> websocketListener}}

leafnodes {
  reconnect: "200ms"
  compression: off
  isolate_leafnode_interest: true
{{> leafListener}}
  remotes: {{remotes}}
}
