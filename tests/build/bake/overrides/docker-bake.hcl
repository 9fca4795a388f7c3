VERSION = "1"

variable "VERSION" {
  default = "0"
}

target "web" {
  tags = ["from-hcl:${VERSION}"]
  labels = {
    "com.example.name" = "Bob"
  }
}
