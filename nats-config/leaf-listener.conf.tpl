  # Links come in here: TLS 1.3 before any NATS byte, both sides show a certificate of the bus.
  listen: {{leafListen}}
  no_advertise: true
  tls {
    cert_file: {{certFile}}
    key_file: {{keyFile}}
    ca_file: {{caFile}}
    verify: true
    handshake_first: true
    min_version: "1.3"
    timeout: 5
  }
