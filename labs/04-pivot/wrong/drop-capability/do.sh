# a program that may not call chroot(2) does not show what pivot_root does
sed -i 's/CAP_SYS_CHROOT/CAP_KILL/' bundle/config.json
