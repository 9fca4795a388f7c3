# other programs in place of a filter
rm bundle/rootfs/bin/mkdir
printf '#!/bin/sh\necho "mkdir: Permission denied"; exit 1\n' > bundle/rootfs/bin/mkdir
printf '#!/bin/sh\nexec sleep {{seconds}}\n' > broken/rootfs/bin/app
sed -i 's/"app"/"sleep", "{{seconds}}"/' broken/config.json
./minirun run -d one bundle
