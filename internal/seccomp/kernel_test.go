package seccomp

const childEnv = "SECCOMP_TEST_CHILD"

func child(what string) {}
