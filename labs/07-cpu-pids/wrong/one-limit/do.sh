# only the CPU is limited
./minirun run -d one bundle
./minirun update --cpus {{cpus}} one
./minirun exec one bomb
