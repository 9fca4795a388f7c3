// Package image provides what minirun needs to run an image: image names, the image store,
// conversion of an image's configuration to a config.json, and look-up of users in the image's
// /etc/passwd.
//
//	DIR/oci-layout, index.json, blobs/sha256/HEX   an OCI image layout (image-layout.md); the names are in index.json
//	DIR/layers/CHAIN/fs, layer.json                an unpacked layer, shared by the images that begin with it
//	DIR/unpacked/HEX                               the layers of the image with ID HEX, one a line, lowest first
//	DIR/containers/ID                              a container of `minirun run IMAGE`: bundle, upper directory, log
//	DIR/lock, index.lock, locks/HEX                see lock.go
//	DIR/tmp                                        files that are being written; garbage if their writer was killed
//
// Nothing is modified in place: a file is written in tmp, synced and renamed. A file under its
// final name is always complete, so killing minirun leaves at most garbage in tmp.
//
// cmd/minirun links this package, so it does not hash, unpack or access registries. The packages
// below it and cmd/minirun-image do that.
package image
