function "increment" {
  params = [number]
  result = number + 1
}

function "tag" {
  params         = [name]
  variadic_params = versions
  result         = [for v in versions : "docker.io/${name}:${v}"]
}

target "default" {
  args = {
    own       = "${increment(123)}"
    cty       = "${add(123, 1)}"
    hash      = sha256("a")
    replaced  = regex_replace("v1.2.3", "^v([0-9]+).*", "$1")
    joined    = join("-", sort(split(",", "c,a,b")))
    condition = equal("x", "x") ? "same" : "other"
  }
  tags = tag("user/app", "1", "1.2")
}
