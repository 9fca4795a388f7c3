variable "TAG" {
  default = "latest"
}

target "app-dev" {
  args = {
    GO_VERSION          = "1.20"
    BUILDX_EXPERIMENTAL = 1
  }
  tags       = ["docker.io/username/myapp:${TAG}"]
  dockerfile = "app.Dockerfile"
  labels = {
    "org.opencontainers.image.source" = "https://github.com/username/myapp"
  }
}

target "_release" {
  args = {
    BUILDKIT_CONTEXT_KEEP_GIT_DIR = 1
    BUILDX_EXPERIMENTAL           = 0
  }
}

target "app-release" {
  inherits  = ["app-dev", "_release"]
  platforms = ["linux/amd64", "linux/arm64"]
  dockerfile-inline = "FROM scratch\nCOPY --from=${target.app-dev.args.GO_VERSION} / /\n"
}
