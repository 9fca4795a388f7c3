// Cases: network devices of the host that are moved into the container.
package compare

import (
	"os/exec"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func needsIP() string {
	if _, err := exec.LookPath("ip"); err != nil {
		return "needs ip(8): " + err.Error()
	}
	return ""
}

// moving creates a pair of devices, mrcA and mrcB, and gives them to the container: HOST NAME HOST
// NAME ...
func moving(names ...string) func(*bundle) {
	return func(b *bundle) {
		b.cleanup(func() {
			exec.Command("ip", "link", "del", "mrcB").Run()
			exec.Command("ip", "link", "del", "mrcA").Run()
		})
		for _, command := range []string{
			"link add mrcA type veth peer name mrcB", "link set mrcA mtu 1400 address 02:00:00:00:00:0a", "link set mrcB address 02:00:00:00:00:0b",
			"addr add 10.201.0.1/24 brd + dev mrcA", "addr add 10.202.0.1/24 scope link dev mrcA", "addr add fd00:201::1/64 nodad dev mrcA",
		} {
			b.check(exec.Command("ip", strings.Fields(command)...).Run())
		}
		b.spec.Linux.NetDevices = map[string]specs.LinuxNetDevice{}
		for i := 0; i < len(names); i += 2 {
			b.spec.Linux.NetDevices[names[i]] = specs.LinuxNetDevice{Name: names[i+1]}
		}
	}
}

// refusedDevices configures devices with which the container cannot be created.
func refusedDevices(names ...string) func(*bundle) {
	return func(b *bundle) {
		moving(names...)(b)
		b.spec.Process.Args = []string{"true"}
	}
}

var networkCases = []testCase{
	{name: "network-device", needs: needsIP, set: moving("mrcA", ""), ask: ask{Devices: []string{"mrcA"}}, want: map[string]string{
		"in.net.interfaces": "lo mrcA", "in.net.device.mrcA": "up mtu 1400 02:00:00:00:00:0a", "in.net.addresses.mrcA": "10.201.0.1/24 fd00:201::1/64"}},
	{name: "network-device-renamed", needs: needsIP, set: moving("mrcA", "eth7"), ask: ask{Devices: []string{"eth7", "mrcA"}}, want: map[string]string{
		"in.net.interfaces": "eth7 lo", "in.net.addresses.eth7": "10.201.0.1/24 fd00:201::1/64"}},
	{name: "network-devices-exchanged", needs: needsIP, set: moving("mrcA", "mrcB", "mrcB", "mrcA"), ask: ask{Devices: []string{"mrcA", "mrcB"}}, want: map[string]string{
		"in.net.interfaces": "lo mrcA mrcB", "in.net.device.mrcB": "up mtu 1400 02:00:00:00:00:0a"}},
	{name: "network-device-user-namespace", needs: needsIP, set: func(b *bundle) {
		b.userns()
		moving("mrcA", "eth7")(b)
	}, ask: ask{Masked: defaultMasked, ReadOnly: defaultReadOnly, Devices: []string{"eth7"}}, want: map[string]string{"in.net.addresses.eth7": "10.201.0.1/24 fd00:201::1/64"}},
	{name: "network-device-joined", needs: needsIP, set: func(b *bundle) {
		joining(specs.NetworkNamespace, unix.CLONE_NEWNET, "net")(b)
		moving("mrcA", "eth7")(b)
	}, ask: ask{Devices: []string{"eth7"}}, want: map[string]string{"in.net.interfaces": "eth7 lo", "in.ns.net": "joined net"}},
	{name: "network-device-sysctl", needs: needsIP, set: func(b *bundle) {
		moving("mrcA", "eth7")(b)
		b.spec.Linux.Sysctl = map[string]string{"net.ipv4.conf.eth7.forwarding": "1"}
	}, ask: ask{Sysctls: []string{"net.ipv4.conf.eth7.forwarding"}}, want: map[string]string{"in.net.interfaces": "eth7 lo"}},
	{name: "network-device-template", needs: needsIP, set: moving("mrcA", "c%d"), want: map[string]string{"in.net.interfaces": "c0 lo"},
		noReference: "config-linux.md allows a name with %d; runc 1.5 looks for a device of that very name after the move"},
	{name: "network-device-missing", needs: needsIP, plain: true, set: refusedDevices("mrcC", ""), want: map[string]string{"exit": "1", "stderr.empty": "false"}},
	{name: "network-device-name-taken", needs: needsIP, plain: true, set: refusedDevices("mrcA", "lo"), want: map[string]string{"exit": "1", "stderr.empty": "false"}},
	{name: "network-device-loopback", needs: needsIP, plain: true, set: refusedDevices("lo", "lo2"), want: map[string]string{"exit": "1", "stderr.empty": "false"}},
	{name: "network-device-bad-name", needs: needsIP, plain: true, set: refusedDevices("mrcA", "a/b"), want: map[string]string{"exit": "1", "stderr.empty": "false"}},
	{name: "network-device-one-name-for-two", needs: needsIP, plain: true, set: refusedDevices("mrcA", "x", "mrcB", "x"), want: map[string]string{"exit": "1", "stderr.empty": "false"}},
	{name: "network-device-without-namespace", needs: needsIP, plain: true, set: func(b *bundle) {
		refusedDevices("mrcA", "")(b)
		b.withoutNamespace(specs.NetworkNamespace)
	}, want: map[string]string{"exit": "1", "stderr.empty": "false"}},
}
