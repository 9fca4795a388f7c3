package source

import "testing"

// TestLastLines: the cause of a failure is kept, and warnings before it and general advice after it are
// not.
func TestLastLines(t *testing.T) {
	for said, want := range map[string]string{
		"@@@@\n@ WARNING: UNPROTECTED KEY @\nLoad key: bad permissions\ngit@host: Permission denied (publickey).\r\n" +
			"fatal: Could not read from remote repository.\n\nPlease make sure you have the correct access rights\n" +
			"and the repository exists.\n": "Load key: bad permissions; git@host: Permission denied (publickey).",
		"remote: not found\nfatal: repository 'x' not found\n": "remote: not found; fatal: repository 'x' not found",
		"fatal: Could not read from remote repository.\n":      "fatal: Could not read from remote repository.",
		"Cloning into '/t/s'...\nfatal: transport 'file' not allowed\nfatal: clone of 'x' into submodule path '/t/s' failed\n" +
			"Failed to clone 's'. Retry scheduled\nCloning into '/t/s'...\nfatal: transport 'file' not allowed\n" +
			"fatal: clone of 'x' into submodule path '/t/s' failed\nFailed to clone 's' a second time, aborting\n": "fatal: transport 'file' not allowed",
		"": "",
	} {
		if got := lastLines(said, 2); got != want {
			t.Errorf("%q: %q, want %q", said, got, want)
		}
	}
}
