package network

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"

	"github.com/minirun/minirun/internal/atomicfile"
)

// An Endpoint is a container's place in a network: the values of the flags, and while the container
// runs, the connection.
type Endpoint struct {
	Network    string      `json:"network"`
	Aliases    []string    `json:"aliases,omitempty"`
	IP         netip.Addr  `json:"ip,omitzero"`
	IP6        netip.Addr  `json:"ip6,omitzero"`
	MAC        string      `json:"mac,omitempty"`
	Connection *Connection `json:"connection,omitempty"`
}

// String returns the network, and the device and the addresses that a running container has on it.
func (e Endpoint) String() string {
	if e.Connection == nil {
		return e.Network + ", not connected"
	}
	text := e.Network + "  " + e.Connection.Device
	for _, a := range e.Connection.Addresses {
		text += " " + a.String()
	}
	return text
}

// A Connection is a device in a running container.
type Connection struct {
	Sandbox   string         `json:"sandbox"` // the name of the container for CNI plugins
	Device    string         `json:"device"`
	MAC       string         `json:"mac,omitempty"`
	Addresses []netip.Prefix `json:"addresses"`
	Gateway   netip.Addr     `json:"gateway,omitzero"`
}

const endpointsFile = "networks.json"

// Endpoints returns the networks of a container.
func (s Store) Endpoints(id string) ([]Endpoint, error) {
	path := filepath.Join(s.container(id), endpointsFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []Endpoint
	if err := json.Unmarshal(text, &out); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return out, nil
}

// WriteEndpoints records the networks of a container.
func (s Store) WriteEndpoints(id string, endpoints []Endpoint) error {
	text, err := json.Marshal(endpoints)
	if err != nil {
		return err
	}
	return atomicfile.Write(filepath.Join(s.container(id), endpointsFile), append(text, '\n'), 0o644)
}

// FailureFile returns the path of the file in which a hook of the runtime leaves why it could not
// connect a container. Its output is only a detail of the runtime's error.
func (s Store) FailureFile(id string) string {
	return filepath.Join(s.container(id), "network-failure")
}

// A Member is a container that is connected to a network.
type Member struct {
	Container string `json:"container"`
	Endpoint
}

// members returns all connections of all containers, by container.
func (s Store) members() ([]Member, error) {
	entries, err := os.ReadDir(filepath.Join(s.Dir, "containers"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var out []Member
	for _, entry := range entries {
		endpoints, err := s.Endpoints(entry.Name())
		if err != nil {
			return nil, err
		}
		for _, e := range endpoints {
			if e.Connection != nil {
				out = append(out, Member{entry.Name(), e})
			}
		}
	}
	return out, nil
}

// Members returns the containers that are connected to a network.
func (s Store) Members(network string) ([]Member, error) {
	all, err := s.members()
	return slices.DeleteFunc(all, func(m Member) bool { return m.Network != network }), err
}

// Users returns the names of the containers that are connected to a network.
func (s Store) Users(network string) (names []string, err error) {
	members, err := s.Members(network)
	for _, m := range members {
		names = append(names, m.Container)
	}
	return names, err
}

// Address returns the first address of a container, which forwarded connections go to. It is not
// valid if the container is not connected.
func (s Store) Address(id string) netip.Addr {
	endpoints, err := s.Endpoints(id)
	if err != nil {
		return netip.Addr{}
	}
	for _, e := range endpoints {
		if e.Connection != nil && len(e.Connection.Addresses) > 0 {
			return e.Connection.Addresses[0].Addr()
		}
	}
	return netip.Addr{}
}
