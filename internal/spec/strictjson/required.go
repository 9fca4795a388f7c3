package strictjson

// need is the meaning of the absence of a field.
type need uint8

const (
	optional need = iota
	expected      // the specification requires it, runtimes do not: a warning
	depends       // required or not depending on another field: see Problems.Omitted
	needed
)

// needOf lists the required fields whose zero value is also a valid value, for the
// common and Linux parts of the specification.
func needOf(owner, name string) need {
	switch owner {
	case "Box", "LinuxIDMapping", "LinuxThrottleDevice":
		return needed
	case "POSIXRlimit":
		return when(name == "hard" || name == "soft", needed)
	case "LinuxWeightDevice":
		return when(name == "major" || name == "minor", needed)
	case "LinuxHugepageLimit":
		return when(name == "limit", needed)
	case "LinuxInterfacePriority":
		return when(name == "priority", needed)
	case "LinuxSeccompArg":
		return when(name == "index" || name == "value", needed)
	case "LinuxDeviceCgroup":
		return when(name == "allow", needed)
	case "LinuxDevice":
		return when(name == "major" || name == "minor", depends)
	case "Process":
		return when(name == "user", expected)
	case "User":
		return when(name == "uid" || name == "gid", expected)
	}
	return optional
}

func when(c bool, n need) need {
	if c {
		return n
	}
	return optional
}
