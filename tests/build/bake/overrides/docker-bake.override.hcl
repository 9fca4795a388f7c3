VERSION = "2"

target "web" {
  args = { OVERRIDE = VERSION }
}
