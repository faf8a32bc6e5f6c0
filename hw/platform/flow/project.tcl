# What every project has in common: its plan, its stages, and files that are made once.
#
# A flow beside this file says what the stages are (`fpga_rt::stages`, in order) and does each of
# them (`fpga_rt::stage_NAME`). What `fpga_rt::check_NAME` misses is told before any stage begins.

namespace eval fpga_rt {
    variable plan
    variable here
}

# Run what `wanted` names, in order; all of the flow's stages if it is empty.
proc fpga_rt::build {folder the_plan wanted} {
    variable here $folder
    variable plan $the_plan
    check_tool
    variable stages
    if {![llength $wanted]} {
        set wanted $stages
    }
    foreach stage $wanted {
        if {$stage ni $stages} {
            error "unknown stage '$stage', expected some of [join $stages]"
        }
    }
    foreach stage $wanted {
        if {[llength [info commands check_$stage]]} {
            check_$stage
        }
    }
    foreach stage $wanted {
        say "stage $stage"
        stage_$stage
    }
    say "done"
}

proc fpga_rt::say {text} {
    puts "fpga_rt: $text"
}

# Return a value of the plan.
proc fpga_rt::of {args} {
    variable plan
    return [dict get $plan {*}$args]
}

# Return the path of a file of the project.
proc fpga_rt::path {name} {
    variable here
    return [file join $here $name]
}

# Refuse a tool that is older than the one whose commands are used here.
proc fpga_rt::check_tool {} {
    set wanted [of tool_version]
    set got [version -short]
    if {[package vcompare [numbers $got] [numbers $wanted]] < 0} {
        error "got Vivado $got, expected $wanted or newer"
    }
    if {[llength [get_parts -quiet [of part]]] != 1} {
        error "this Vivado does not know the part [of part]: install its device family"
    }
}

# Return the numbers that a version begins with: 2022.1 of 2022.1.2_AR1234.
proc fpga_rt::numbers {text} {
    regexp {^\d+(\.\d+)*} $text found
    return $found
}

# Make a file unless it is there: `script` writes it under another name, in variable `file`.
proc fpga_rt::make {target script} {
    if {[file exists $target]} {
        say "kept: $target"
        return
    }
    file mkdir [file dirname $target]
    set file [file rootname $target].part[file extension $target]
    file delete $file
    uplevel 1 [list set file $file]
    uplevel 1 $script
    if {![file exists $file]} {
        error "$target was not made: the tool left no $file"
    }
    file rename -force $file $target
    say "made: $target"
}

proc fpga_rt::read_text {name} {
    set file [open $name r]
    set text [read $file]
    close $file
    return $text
}

proc fpga_rt::write_text {name text} {
    set file [open $name w]
    puts $file $text
    close $file
}
