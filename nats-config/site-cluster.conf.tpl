# The other servers of this site. Applications learn their addresses from here.
cluster {
  name: {{clusterName}}
  listen: {{clusterListen}}
  compression: off
  authorization { user: "server", password: {{clusterSecret}}, timeout: 5 }
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
