# nats-server of one control plane replica. Written by mbus control; every change by hand is lost with the next one.
server_name: {{serverName}}
listen: {{listen}}
http: {{monitor}}

log_file: {{logFile}}
logfile_size_limit: 16777216
logfile_max_num: 4

operator: {{operatorJwt}}
system_account: {{systemAccount}}
resolver { type: full, dir: {{resolverDir}}, allow_delete: true, interval: "2m" }
resolver_preload: {{preload}}

max_payload: {{maxPayload}}
max_control_line: 4096
write_deadline: "10s"
ping_interval: "20s"
ping_max: 3
lame_duck_grace_period: "2s"
lame_duck_duration: "30s"

# Administrators and sites that join.
tls {
  cert_file: {{certFile}}
  key_file: {{keyFile}}
  ca_file: {{caFile}}
  min_version: "1.3"
  timeout: 5
}

{{> websocketListener}}

leafnodes {
  compression: off
  isolate_leafnode_interest: true
{{> leafListener}}
}

# The other replicas.
cluster {
  name: {{clusterName}}
  listen: {{clusterListen}}
  no_advertise: true
  compression: off
  authorization { user: "replica", password: {{clusterSecret}}, timeout: 5 }
  tls {
    cert_file: {{certFile}}
    key_file: {{keyFile}}
    ca_file: {{caFile}}
    verify: true
    min_version: "1.3"
    timeout: 5
  }
  routes: {{routes}}
}
