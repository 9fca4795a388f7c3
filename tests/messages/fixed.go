package main

import "regexp"

// fixed are the parts of messages that translations have unchanged: flags, names of values, and paths.
var fixed = []*regexp.Regexp{
	regexp.MustCompile(`--[a-z][a-z-]*[a-z]`),
	regexp.MustCompile("`[^`]+`"),
	regexp.MustCompile(`/(etc|proc|sys|dev|var|run|usr)/[a-z./_-]*[a-z]`),
}
