# Completion of minirun for fish. `minirun completion fish` prints this file; `make install` installs it
# where fish finds it.
#
# minirun itself lists the possible words, so this file cannot become outdated.

function __minirun_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    for line in ($words[1] __complete $words[2..-1] "$current" 2>/dev/null)
        switch $line
            case :files
                __fish_complete_path "$current"
            case :dirs
                __fish_complete_directories "$current"
            case ':*'
            case '*'
                echo $line
        end
    end
end

complete -c minirun -f -a '(__minirun_complete)'
