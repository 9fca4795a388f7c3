variable "GO_VERSION" {
  default = "1.20.3"
}

variable "UNSET" {
  default = null
}

target "_common" {
  args = {
    GO_VERSION = GO_VERSION
    KEPT       = "kept"
  }
  labels = { a = "a", b = "b" }
  output = ["type=local,dest=out"]
  target = "stage"
}

target "default" {
  inherits = ["_common"]
  args = {
    GO_VERSION = null
    UNSET      = UNSET
  }
  labels    = { a = null }
  target    = null
  platforms = [for p in ["linux/amd64", ""] : p if p != ""]
  tags      = []
}
