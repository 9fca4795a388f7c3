# the loader is there, but not the libraries that it loads
for file in $(ldd one/rootfs/app/sleep | grep -o '/[^ ]*ld-[^ ]*'); do
	mkdir -p "one/rootfs$(dirname "$file")"
	cp "$file" "one/rootfs$file"
done
