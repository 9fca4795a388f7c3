package sshagent

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/crypto/ssh"
)

// A key is a private key.
type key struct{ ssh.Signer }

// maxKey limits the size of a key file: a 16,384-bit key takes 13 KiB.
const maxKey = 1 << 20

// readKey reads a private key in OpenSSH's format or in PEM (PKCS #1, PKCS #8, SEC 1).
func readKey(path string) (*key, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxKey+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxKey {
		return nil, fmt.Errorf("the file has more than %d bytes", maxKey)
	}
	signer, err := ssh.ParsePrivateKey(text)
	var encrypted *ssh.PassphraseMissingError
	if errors.As(err, &encrypted) {
		return nil, fmt.Errorf("the key is encrypted, and a build cannot ask for the passphrase\n"+
			"hint: run ssh-add %s, and use --ssh without the file", path)
	}
	if _, _, _, _, e := ssh.ParseAuthorizedKey(text); err != nil && e == nil {
		return nil, errors.New("the file contains a public key")
	}
	return &key{signer}, err
}

// A keyring answers requests as an agent that holds some keys.
type keyring []*key

func (k keyring) answer(message []byte) ([]byte, error) {
	switch message[0] {
	case listRequest:
		return k.list(), nil
	case signRequest:
		if answer, err := k.sign(message); err == nil {
			return answer, nil
		}
	}
	return []byte{failure}, nil
}

func (k keyring) list() []byte {
	answer := ssh.Marshal(struct {
		Type  byte
		Count uint32
	}{listAnswer, uint32(len(k))})
	for _, one := range k {
		answer = append(answer, ssh.Marshal(struct {
			Blob    []byte
			Comment string // empty: the file's name belongs to the host
		}{Blob: one.PublicKey().Marshal()})...)
	}
	return answer
}

// The RSA signature hashes that a client may request; the old one is SHA-1.
const (
	rsaSHA256 = 2
	rsaSHA512 = 4
)

func (k keyring) sign(message []byte) ([]byte, error) {
	var request struct {
		Blob, Data []byte
		Flags      uint32
	}
	if err := ssh.Unmarshal(message[1:], &request); err != nil {
		return nil, err
	}
	for _, one := range k {
		if string(one.PublicKey().Marshal()) != string(request.Blob) {
			continue
		}
		s, err := one.signature(request.Data, request.Flags)
		if err != nil {
			return nil, err
		}
		return ssh.Marshal(struct {
			Type      byte
			Signature []byte
		}{signAnswer, ssh.Marshal(s)}), nil
	}
	return nil, errors.New("there is no such key")
}

func (k *key) signature(data []byte, flags uint32) (*ssh.Signature, error) {
	algorithm := ""
	switch {
	case k.PublicKey().Type() != ssh.KeyAlgoRSA:
	case flags&rsaSHA512 != 0:
		algorithm = ssh.KeyAlgoRSASHA512
	case flags&rsaSHA256 != 0:
		algorithm = ssh.KeyAlgoRSASHA256
	}
	if signer, ok := k.Signer.(ssh.AlgorithmSigner); ok && algorithm != "" {
		return signer.SignWithAlgorithm(rand.Reader, data, algorithm)
	}
	return k.Sign(rand.Reader, data)
}
