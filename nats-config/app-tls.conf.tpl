# Applications connect over TLS alone. By the name they ask for they find the site's certificate, its own processes theirs.
tls {
  certs: {{certs}}
  min_version: "1.2"
  timeout: 5
}
