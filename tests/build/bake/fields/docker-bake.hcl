target "default" {
  description       = "all fields"
  annotations       = ["index,manifest:org.opencontainers.image.authors=me"]
  args              = { A = "a" }
  attest            = [{ type = "provenance", mode = "max" }, "type=sbom"]
  cache-from        = [{ type = "registry", ref = "user/app:cache" }, "user/repo"]
  cache-to          = ["type=inline"]
  call              = "outline"
  context           = "src"
  contexts          = { alpine = "docker-image://alpine:3.13", src = "../src", base = "target:base", git = "https://github.com/user/proj.git" }
  dockerfile        = "web.Dockerfile"
  entitlements      = ["security.insecure"]
  extra-hosts       = { my_hostname = "8.8.8.8" }
  labels            = { a = "b" }
  network           = "host"
  no-cache          = true
  no-cache-filter   = ["stage"]
  output            = [{ type = "oci", dest = "../out.tar" }, "out"]
  platforms         = ["linux/amd64", "linux/arm/v7"]
  policy            = [{ filename = "extra.rego" }]
  pull              = true
  resources         = { memory = "2g", cpu-quota = 50000 }
  secret            = [{ id = "token", env = "TOKEN" }, "id=aws,src=token"]
  shm-size          = "128m"
  tags              = ["user/app", "user/app:1"]
  target            = "web"
  ulimits           = ["nofile=1024:1024"]
}

target "base" {
  dockerfile-inline = "FROM scratch"
}
