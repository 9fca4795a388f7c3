// Package image is what minirun needs of images to run one: their names, the
// store they are in, their configuration turned into a config.json, the users in
// their /etc/passwd.
//
//	DIR/oci-layout, index.json, blobs/sha256/HEX   an OCI image layout (image-layout.md); the names are in index.json
//	DIR/layers/CHAIN/fs, layer.json                an unpacked layer, shared by all images that begin with the same layers
//	DIR/unpacked/HEX                               of the configuration HEX: the layers above, one a line, lowest first
//	DIR/containers/ID                              what `minirun run IMAGE` makes: bundle, upper directory, log
//	DIR/lock, index.lock, locks/HEX                see lock.go
//	DIR/tmp                                        what is being written; without a writer it is rubbish
//
// Nothing is changed in place: a file is written in tmp, synced and renamed. A
// file that is there is whole, so killing minirun leaves rubbish in tmp at worst.
//
// cmd/minirun links this package, so it hashes nothing, unpacks nothing and
// speaks to no registry: that is for the packages below it and for
// cmd/minirun-image.
package image
