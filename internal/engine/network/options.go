package network

import (
	"fmt"
	"net/netip"
	"strconv"
)

// The options of docker's bridge driver that are supported, as given by --opt NAME=VALUE.
const (
	optionName       = "com.docker.network.bridge.name"
	optionMasquerade = "com.docker.network.bridge.enable_ip_masquerade"
	optionBinding    = "com.docker.network.bridge.host_binding_ipv4"
	optionMTU        = "com.docker.network.driver.mtu"
)

// SetOption sets an option of a new network.
func (n *Network) SetOption(name, value string) (err error) {
	switch name {
	case optionName:
		if err := CheckDevice(value); err != nil {
			return fmt.Errorf("--opt %s: %w", name, err)
		}
		n.Device = value
	case optionMasquerade:
		masquerade, err := strconv.ParseBool(value)
		if err != nil {
			return fmt.Errorf("--opt %s: %q must be true or false", name, value)
		}
		n.WithoutMasquerade = !masquerade
	case optionBinding:
		if n.HostBinding, err = netip.ParseAddr(value); err != nil || !n.HostBinding.Is4() {
			return fmt.Errorf("--opt %s: %q is not an IPv4 address", name, value)
		}
	case optionMTU:
		if n.MTU, err = strconv.Atoi(value); err != nil || n.MTU < 68 || n.MTU > 65535 {
			return fmt.Errorf("--opt %s: %q must be a number from 68 to 65535", name, value)
		}
	default:
		return fmt.Errorf("--opt %s: is not supported\nhint: the options are %s, %s, %s and %s", name, optionName,
			optionMasquerade, optionBinding, optionMTU)
	}
	return nil
}

// Options returns the options as inspect shows them.
func (n *Network) Options() map[string]string {
	out := map[string]string{}
	if n.Device != "" {
		out[optionName] = n.Device
	}
	if n.WithoutMasquerade {
		out[optionMasquerade] = "false"
	}
	if n.HostBinding.IsValid() {
		out[optionBinding] = n.HostBinding.String()
	}
	if n.MTU != 0 {
		out[optionMTU] = strconv.Itoa(n.MTU)
	}
	return out
}
