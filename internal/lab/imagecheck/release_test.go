package imagecheck

import "testing"

// TestFingerprint is what `sha256sum | cut -c 1-16` of fetch.sh writes.
func TestFingerprint(t *testing.T) {
	if got := fingerprint("secret"); got != "b37e50cedcd3e3f1" {
		t.Error(got)
	}
}
