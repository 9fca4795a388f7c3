# The program fills the buffer itself: the runtime has no exec.
bytes=$(({{mib}} * 1024 * 1024))
tr -d '\n\t' <bundle/config.json | sed "s/\"memory\": {}/\"memory\": {\"limit\": $bytes, \"swap\": $bytes}/; "'
s|"args": \["sleep","1000"\]|"args": ["sh", "-c", "dd if=/dev/zero of=/dev/null bs=120M count=1; exec sleep 1000"]|' >changed
mv changed bundle/config.json
