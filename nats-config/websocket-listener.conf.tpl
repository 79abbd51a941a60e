# Links come in here too, over WebSocket inside TLS: what most networks let out. Only who shows a certificate of the bus gets in.
websocket {
  listen: {{websocketListen}}
  compression: false
  handshake_timeout: "5s"
  tls {
    cert_file: {{certFile}}
    key_file: {{keyFile}}
    ca_file: {{caFile}}
    verify: true
    min_version: "1.3"
    timeout: 5
  }
}
