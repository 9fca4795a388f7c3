group "default" {
  targets = ["app", "files"]
}

target "app" {
  tags = ["app"]
}

target "files" {
  output = ["type=tar,dest=files.tar"]
}
