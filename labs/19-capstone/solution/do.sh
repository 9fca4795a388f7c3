# the runtime in shell; with Go: go build -o mine mine.go
cp mine.sh mine
