# A model of Vivado: runs this project's scripts and constraints, and refuses what Vivado would.
#
#     tclsh vivado.tcl -mode batch -nojournal -source SCRIPT [-tclargs ...]
#
# It knows the commands and properties of its tables and no others, the names of a netlist
# (FPGA_RT_NETLIST, see netlist.py), and in which order the steps of the DFX flow make sense. A
# checkpoint is a text file with the state of the design. Bitstreams are made by the command in
# FPGA_RT_BITSTREAM, whose arguments are a kind, the partition and module, USR_ACCESS and the file;
# without it, or where it is empty, they are text.

set model_folder [file dirname [file normalize [info script]]]
namespace eval model {
    variable used {}
    variable properties {}
    variable project {}
    variable design {}
    variable core {}
}

proc model::fail {text} {
    return -code error -level 2 "model: $text"
}

# Note what was used, so that tests can tell which rows of the table are dead.
proc model::note {kind name} {
    variable used
    dict set used "$kind $name" 1
}

namespace eval ipx {}
proc vendor {name flags values positional reference} {
    interp alias {} $name {} model::call $name [list {*}$flags] [list {*}$values] $positional
    set ::references($name) $reference
}

proc property {name class values reference} {
    dict set model::properties $name [list $class $values]
    set ::references($name) $reference
}

# Sort the arguments of a command into options and the rest, and refuse what it does not take.
proc model::call {name flags values positional args} {
    note command $name
    set options {}
    set rest {}
    while {[llength $args]} {
        set args [lassign $args word]
        if {![regexp {^-[a-zA-Z]} $word]} {
            lappend rest $word
            continue
        }
        set found [matching $word [concat $flags $values]]
        if {$found eq ""} {
            error "model: $name has no option $word: expected some of $flags $values"
        }
        note option "$name $found"
        if {$found in $flags} {
            dict set options $found 1
        } else {
            if {![llength $args]} {
                error "model: $name: option $word wants a value"
            }
            set args [lassign $args value]
            dict set options $found $value
        }
    }
    lassign $positional least most
    if {[llength $rest] < $least || [llength $rest] > $most} {
        error "model: $name takes $least to $most arguments, got '$rest'"
    }
    return [do_[string map {:: _} $name] $options $rest]
}

# Return the option that a word is, or begins as the only one.
proc model::matching {word known} {
    if {$word in $known} {
        return $word
    }
    set found [lsearch -all -inline -glob $known $word*]
    return [expr {[llength $found] == 1 ? [lindex $found 0] : ""}]
}

proc model::option {options name {otherwise ""}} {
    return [expr {[dict exists $options $name] ? [dict get $options $name] : $otherwise}]
}

source [file join $model_folder commands.tcl]
source [file join $model_folder kernel_commands.tcl]
source [file join $model_folder objects.tcl]
source [file join $model_folder steps.tcl]
source [file join $model_folder packager.tcl]

# What a batch run does with its arguments.
proc model::main {arguments} {
    set script ""
    set ::argv {}
    while {[llength $arguments]} {
        set arguments [lassign $arguments word]
        switch -- $word {
            -mode { set arguments [lassign $arguments mode] }
            -source { set arguments [lassign $arguments script] }
            -nojournal - -nolog - -notrace {}
            -tclargs { set ::argv $arguments; set arguments {} }
            default { error "model: vivado has no argument $word (UG835, vivado -help)" }
        }
    }
    if {$script eq ""} {
        error "model: no script"
    }
    set ::argc [llength $::argv]
    uplevel #0 [list source $script]
    exit 0
}

# Leave behind what was used, where FPGA_RT_USED says.
proc model::leave {} {
    variable used
    if {[info exists ::env(FPGA_RT_USED)]} {
        set file [open $::env(FPGA_RT_USED) a]
        puts $file [join [dict keys $used] "\n"]
        close $file
    }
}

rename exit tcl_exit
proc exit {{code 0}} {
    model::leave
    tcl_exit $code
}
if {[catch {model::main $argv} message]} {
    puts stderr "ERROR: $message"
    exit 2
}
