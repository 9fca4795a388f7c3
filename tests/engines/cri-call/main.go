// cri-call makes one call to a container engine's CRI socket, the interface that Kubernetes' kubelet uses.
//
//	cri-call SOCKET METHOD [REQUEST [FIELD]]
//	cri-call stream URL
//
// METHOD is a call of RuntimeService or ImageService (RunPodSandbox, ExecSync, ...), REQUEST its
// message as JSON. The response is printed as JSON, or only its FIELD (podSandboxId, status.state,
// ...). The names are those of the CRI's definition:
// https://github.com/kubernetes/cri-api/blob/master/pkg/apis/runtime/v1/api.proto
//
// stream connects to a URL returned by Exec or Attach, as `kubectl exec` does: it forwards standard
// input and the process's output, and exits with the exit status of the process.
//
// crictl would also work, but Debian 12 has no package of it.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/websocket"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// patience is how long a call may take. The longest is StopPodSandbox with a container that ignores
// SIGTERM.
const patience = 60 * time.Second

func main() {
	status, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "cri-call:", err)
		os.Exit(1)
	}
	os.Exit(status)
}

func run(args []string) (int, error) {
	switch {
	case len(args) == 2 && args[0] == "stream":
		return stream(args[1])
	case len(args) >= 2 && len(args) <= 4:
		request, field := "{}", ""
		if len(args) > 2 {
			request = args[2]
		}
		if len(args) > 3 {
			field = args[3]
		}
		return 0, call(args[0], args[1], request, field)
	}
	return 0, errors.New("usage: cri-call SOCKET METHOD [REQUEST [FIELD]] | cri-call stream URL")
}

// call finds the method in the CRI's definition, builds its request from JSON and prints the
// response.
func call(socket, name, request, field string) error {
	method, err := find(protoreflect.Name(name))
	if err != nil {
		return err
	}
	in, out := dynamicpb.NewMessage(method.Input()), dynamicpb.NewMessage(method.Output())
	if err := protojson.Unmarshal([]byte(request), in); err != nil {
		return fmt.Errorf("the request of %s: %w", name, err)
	}
	conn, err := grpc.NewClient("unix://"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	path := fmt.Sprintf("/%s/%s", method.Parent().FullName(), method.Name())
	if err := conn.Invoke(ctx, path, in, out); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	answer, err := protojson.MarshalOptions{EmitUnpopulated: true}.Marshal(out)
	if err != nil {
		return err
	}
	return show(answer, field)
}

func find(name protoreflect.Name) (protoreflect.MethodDescriptor, error) {
	services := cri.File_staging_src_k8s_io_cri_api_pkg_apis_runtime_v1_api_proto.Services()
	for i := range services.Len() {
		if method := services.Get(i).Methods().ByName(name); method != nil {
			return method, nil
		}
	}
	return nil, fmt.Errorf("the CRI has no call %s", name)
}

// show prints the whole response, or the value of a field, which is a path of names and indices with
// dots. A string is printed without quotes, so that a shell can use it; bytes, such as the output of
// ExecSync, are printed as base64, as in JSON.
func show(answer []byte, field string) error {
	var value any
	if err := json.Unmarshal(answer, &value); err != nil {
		return err
	}
	for name := range strings.SplitSeq(field, ".") {
		if name == "" {
			continue
		}
		switch v := value.(type) {
		case map[string]any:
			value = v[name]
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i < 0 || i >= len(v) {
				return fmt.Errorf("the answer has no %s in %s: %s", name, field, answer)
			}
			value = v[i]
		default:
			return fmt.Errorf("the answer has no %s: %s", field, answer)
		}
	}
	if text, ok := value.(string); ok {
		_, err := fmt.Println(text)
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(value)
}

// Channels of the protocol v4.channel.k8s.io: the first byte of each message is its channel.
const (
	channelIn byte = iota
	channelOut
	channelErr
	channelStatus
)

func stream(address string) (int, error) {
	target, err := url.Parse(address)
	if err != nil {
		return 0, err
	}
	target.Scheme = "ws"
	config, err := websocket.NewConfig(target.String(), "http://localhost")
	if err != nil {
		return 0, err
	}
	config.Protocol = []string{"v4.channel.k8s.io"}
	conn, err := websocket.DialConfig(config)
	if err != nil {
		return 0, fmt.Errorf("connect to %s: %w", address, err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return 0, err
	}
	go feed(conn)
	for {
		var message []byte
		if err := websocket.Message.Receive(conn, &message); err != nil {
			return 0, fmt.Errorf("the stream ended without a status: %w", err)
		}
		if len(message) < 1 {
			continue
		}
		switch message[0] {
		case channelOut:
			os.Stdout.Write(message[1:])
		case channelErr:
			os.Stderr.Write(message[1:])
		case channelStatus:
			return exitStatus(message[1:])
		}
	}
}

// feed sends standard input. The protocol cannot signal the end of input, so the process inside must
// know when to stop reading.
func feed(conn *websocket.Conn) {
	buffer := make([]byte, 4096)
	buffer[0] = channelIn
	for {
		n, err := os.Stdin.Read(buffer[1:])
		if err != nil {
			return
		}
		if err := websocket.Message.Send(conn, buffer[:n+1]); err != nil {
			return
		}
	}
}

// exitStatus reads the last message of a stream, a Kubernetes Status.
func exitStatus(message []byte) (int, error) {
	var status struct {
		Status  string
		Message string
		Details struct {
			Causes []struct{ Reason, Message string }
		}
	}
	if err := json.Unmarshal(message, &status); err != nil {
		return 0, fmt.Errorf("the status at the end of the stream, %q: %w", message, err)
	}
	if status.Status == "Success" {
		return 0, nil
	}
	for _, cause := range status.Details.Causes {
		if cause.Reason == "ExitCode" {
			return strconv.Atoi(cause.Message)
		}
	}
	return 0, errors.New(status.Message)
}
