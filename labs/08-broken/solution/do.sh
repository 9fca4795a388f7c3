# one: the first line ended in a carriage return, which belonged to the interpreter's name
sed -i 's/\r$//' one/rootfs/app/one.sh
# two: there is no bash, and the script does not need it
sed -i '1s/bash/sh/' one/rootfs/app/two.sh
# three: without execute permission
chmod +x one/rootfs/app/three.sh
# four: the program and its settings are relative to the working directory
sed -i 's/"cwd": "\/srv"/"cwd": "\/app"/' four/config.json
# five: only its owner may read and execute the script, and the container's user is another one
chmod 755 one/rootfs/app/five.sh
# six: the loader and the libraries are missing
for file in $(ldd one/rootfs/app/sleep | grep -o '/[^ ]*'); do
	mkdir -p "one/rootfs$(dirname "$file")"
	cp "$file" "one/rootfs$file"
done
