group "all" {
  targets = ["app", "pairs"]
}

target "app" {
  name = "app-${tgt}-${replace(version, ".", "-")}"
  matrix = {
    tgt     = ["foo", "bar"]
    version = ["1.0", "2.0"]
  }
  target = tgt
  args = {
    VERSION = version
  }
}

target "pairs" {
  name = "pair-${item.name}"
  matrix = {
    item = [
      { name = "one", stages = ["a"] },
      { name = "two", stages = ["b", "c"] },
    ]
  }
  no-cache-filter = item.stages
  contexts        = { other = "target:app-foo-1-0" }
}
