# root of the container is root of the host, and the file is given back by hand
./minirun run -d one bundle
./minirun exec one sh -c 'echo {{word}} > /shared/note'
chown "$(stat -c %u shared)" shared/note
