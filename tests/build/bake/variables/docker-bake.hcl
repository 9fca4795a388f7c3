variable "TAGS" {
  type        = list(string)
  default     = ["latest"]
  description = "Names of the image"
}

variable "VERSION" {
  type    = tuple([number, number, string])
  default = [1, 2, "alpha"]
}

variable "FEATURES" {
  type    = map(string)
  default = { featureA = "slim" }
}

variable "PUSH" {
  type = object({ branch = string, registry = string })
  default = { branch = "main", registry = "registry.example" }
}

variable "PORT" {
  type    = number
  default = 80
  validation {
    condition     = PORT > 0 && PORT < 65536
    error_message = "PORT must be a port."
  }
}

variable "DEBUG" {
  default = false
}

variable "NOTHING" {
  default = null
}

variable "IMAGE" {
  default = "app"
}

target "default" {
  tags = [for tag in TAGS : "user/${IMAGE}:${tag}"]
  args = {
    VERSION = "${join(".", VERSION)}"
    FEATURE = lookup(FEATURES, "featureB", "none")
    PUSH    = "${PUSH.registry}/${PUSH.branch}"
    PORT    = PORT + 1
    DEBUG   = DEBUG ? "debug" : ""
    NOTHING = NOTHING
    LOCAL   = BAKE_LOCAL_PLATFORM
  }
}
