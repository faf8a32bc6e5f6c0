# Objects of a design: what constraints name has to exist.
#
# An object is `class:name`; a list of them is what the get_ commands return.

namespace eval model {
    variable netlist {}
}
if {[info exists ::env(FPGA_RT_NETLIST)]} {
    set file [open $::env(FPGA_RT_NETLIST) r]
    set model::netlist [read $file]
    close $file
}

proc model::need_design {} {
    variable design
    if {$design eq {}} {
        error "model: no design is open"
    }
}

# Return objects of a class by pattern. Brackets are indices of a bus, as in Vivado; nothing found
# is an error here, where Vivado warns and drops the constraint.
proc model::find {class names options rest} {
    set pattern [lindex $rest 0]
    set found {}
    foreach one $pattern {
        set glob [string map {[ \\[ ] \\] \\ \\\\} $one]
        foreach name $names {
            if {[string match $glob $name]} {
                lappend found $class:$name
            }
        }
    }
    if {![llength $found] && ![dict exists $options -quiet]} {
        error "model: there is no $class '$pattern' in the design"
    }
    return $found
}

proc model::names_of {kind} {
    variable design
    variable netlist
    need_design
    if {[dict get $design kind] eq "module"} {
        return [expr {$kind eq "ports" ? [dict get $design ports] : {}}]
    }
    return [expr {[dict exists $netlist $kind] ? [dict get $netlist $kind] : {}}]
}

proc model::do_get_cells {options rest} { find cell [names_of cells] $options $rest }
proc model::do_get_pins {options rest} { find pin [names_of pins] $options $rest }
proc model::do_get_ports {options rest} { find port [names_of ports] $options $rest }

proc model::do_get_clocks {options rest} {
    variable design
    need_design
    find clock [dict keys [dict get $design clocks]] $options $rest
}

proc model::do_get_pblocks {options rest} {
    variable design
    need_design
    find pblock [dict keys [dict get $design pblocks]] $options $rest
}

proc model::do_get_parts {options rest} {
    find part {xc7z020clg400-1 xck26-sfvc784-2LV-c xcu200-fsgd2104-2-e} $options $rest
}

proc model::do_get_timing_paths {options rest} {
    need_design
    return timing_path:[option $options -delay_type max]
}

proc model::do_current_design {options rest} {
    need_design
    return design:top
}

# Return the name of the only object of a class in a list.
proc model::only {class objects} {
    if {[llength $objects] != 1 || ![string match $class:* [lindex $objects 0]]} {
        error "model: expected one $class, got '$objects'"
    }
    return [string range [lindex $objects 0] [string length $class:] end]
}

proc model::check_all {class objects} {
    foreach object $objects {
        if {![string match $class:* $object]} {
            error "model: expected ${class}s, got '$object'"
        }
    }
}

# Refuse a property that the table does not have for the class of an object.
proc model::check_property {name object} {
    variable properties
    note property $name
    set class [lindex [split $object :] 0]
    if {![dict exists $properties $name]} {
        error "model: property $name is in no table"
    }
    if {[lindex [dict get $properties $name] 0] ne $class} {
        error "model: property $name is one of a [lindex [dict get $properties $name] 0], got '$object'"
    }
}

proc model::do_set_property {options rest} {
    variable properties
    variable design
    lassign $rest name value objects
    if {[dict exists $options -dict] || [llength $rest] != 3 || ![llength $objects]} {
        error "model: set_property wants a name, a value and objects, got '$rest'"
    }
    foreach object $objects {
        check_property $name $object
        set allowed [lindex [dict get $properties $name] 1]
        if {[llength $allowed] && $value ni $allowed} {
            error "model: property $name takes $allowed, got '$value'"
        }
        if {[regexp {^(fileset|ipx_)} $object]} {
            set_packaged $name $object $value
        } else {
            dict set design properties "$name $object" $value
        }
    }
}

proc model::do_get_property {options rest} {
    variable design
    lassign $rest name object
    check_property $name $object
    switch -- $name {
        SLACK { return [expr {[info exists ::env(FPGA_RT_SLACK)] ? $::env(FPGA_RT_SLACK) : 0.123}] }
        ENDPOINT_PIN { return board/static_region/endpoint_reg/D }
    }
    return [dict get $design properties "$name $object"]
}

proc model::has_property {name object value} {
    variable design
    set key "$name $object"
    set properties [dict get $design properties]
    return [expr {[dict exists $properties $key] && [dict get $properties $key] eq $value}]
}
