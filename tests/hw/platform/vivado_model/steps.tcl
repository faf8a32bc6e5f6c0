# The steps of the flow: what each of them needs, and what it leaves.
#
# A design is a dictionary: kind (static, module), top, ports of the partition's module, clocks,
# skews (of buses, ns), pblocks (name -> cells, ranges), cells (partition cell -> what is in it: black_box, grey_box or a
# module), properties, stage (synthesised, optimised, placed, routed), lineage, locked.

proc model::read_text {name} {
    if {[catch {open $name r} file]} {
        error "model: cannot read $name"
    }
    set text [read $file]
    close $file
    return $text
}

proc model::need_stage {args} {
    variable design
    need_design
    if {[dict get $design stage] ni $args} {
        error "model: the design is [dict get $design stage], expected $args"
    }
}

proc model::do_version {options rest} {
    return [expr {[info exists ::env(FPGA_RT_VERSION)] ? $::env(FPGA_RT_VERSION) : "2022.1"}]
}

proc model::do_create_project {options rest} {
    variable project
    if {$project ne {}} {
        error "model: a project is open"
    }
    set part [option $options -part]
    do_get_parts {} [list $part]
    if {[dict exists $options -in_memory] == [llength $rest] > 0} {
        error "model: create_project wants a name and a folder, or -in_memory"
    }
    set project [dict create part $part sources {} constraints {} top {}]
    if {[llength $rest]} {
        file mkdir [lindex $rest 1]
    }
}

proc model::do_close_project {options rest} {
    variable project
    variable design
    if {$project eq {}} {
        error "model: no project is open"
    }
    set project {}
    set design {}
}

proc model::do_read_verilog {options rest} {
    variable project
    dict lappend project sources [read_text [lindex $rest 0]]
}

# Constraints: at once where a design is open, else when it is synthesised.
proc model::do_read_xdc {options rest} {
    variable project
    variable design
    if {[option $options -mode out_of_context] ne "out_of_context"} {
        error "model: read_xdc -mode takes out_of_context"
    }
    set text [read_text [lindex $rest 0]]
    if {$design eq {}} {
        dict lappend project constraints $text
    } else {
        constrain $text
    }
}

# Run constraints: of Tcl they may only have commands of the table (UG903, XDC files).
proc model::constrain {text} {
    set reader [interp create -safe]
    foreach command [$reader eval {info commands}] {
        if {$command ne "list"} {
            $reader hide $command
        }
    }
    foreach command {
        add_cells_to_pblock create_clock create_generated_clock create_pblock get_cells get_clocks
        get_pblocks get_pins get_ports resize_pblock set_bus_skew set_false_path set_max_delay
        set_property
    } {
        interp alias $reader $command {} $command
    }
    $reader invokehidden eval $text
    interp delete $reader
}

proc model::modules_in {sources} {
    set found {}
    foreach source $sources {
        foreach {all name} [regexp -all -inline -line {^module (\w+)} $source] {
            lappend found $name
        }
    }
    return $found
}

# Return the ports of a module that declares them in its head: direction, width and name.
proc model::ports_of {source module} {
    if {![regexp "module $module \\((.*?)\\);" $source all ports]} {
        error "model: no module $module with ports"
    }
    return [lmap port [split $ports ,] {string trim [regsub -all {\s+} $port { }]}]
}

proc model::do_synth_design {options rest} {
    variable project
    variable design
    if {$project eq {}} {
        error "model: no project is open"
    }
    set top [option $options -top]
    set sources [dict get $project sources]
    if {$top ni [modules_in $sources]} {
        error "model: no source has the top module $top"
    }
    if {[option $options -part] ne [dict get $project part]} {
        error "model: part [option $options -part] is not that of the project"
    }
    set whole [join $sources "\n"]
    if {[option $options -mode] eq "out_of_context"} {
        set ports [ports_of $whole $top]
        set design [dict create kind module boundary $ports content $top]
        dict set design ports [lmap port $ports {lindex $port end}]
    } else {
        if {![regexp {\(\* black_box \*\)\s+module (\w+)} $whole all box]} {
            error "model: no black box for the partitions"
        }
        set design [dict create kind static boundary [ports_of $whole $box] cells {}]
        foreach cell [black_boxes $box] {
            dict set design cells $cell black_box
        }
    }
    foreach {key value} {clocks {} pblocks {} properties {} skews {} stage synthesised lineage {}
            locked 0} {
        dict set design $key $value
    }
    foreach constraints [dict get $project constraints] {
        constrain $constraints
    }
    if {![dict size [dict get $design clocks]]} {
        error "model: $top has no clock"
    }
}

# Return the cells that are instances of a module, as the netlist has them.
proc model::black_boxes {module} {
    variable netlist
    if {![dict exists $netlist instances $module]} {
        error "model: the netlist has no instance of $module"
    }
    return [dict get $netlist instances $module]
}

proc model::do_write_checkpoint {options rest} {
    variable design
    need_design
    set name [lindex $rest 0]
    if {[file exists $name] && ![dict exists $options -force]} {
        error "model: $name exists"
    }
    set file [open $name w]
    puts $file $design
    close $file
}

proc model::do_open_checkpoint {options rest} {
    variable project
    variable design
    if {$project ne {}} {
        error "model: a project is open"
    }
    set design [string trim [read_text [lindex $rest 0]]]
    set project [dict create part {} sources {} constraints {}]
}

proc model::content {cell} {
    variable design
    need_design
    if {![dict exists $design cells $cell]} {
        error "model: $cell is no partition"
    }
    return [dict get $design cells $cell]
}

proc model::do_read_checkpoint {options rest} {
    variable design
    set cell [option $options -cell]
    if {[content $cell] ne "black_box"} {
        error "model: $cell has a [content $cell], expected a black box"
    }
    set module [string trim [read_text [lindex $rest 0]]]
    if {[dict get $module kind] ne "module"} {
        error "model: [lindex $rest 0] is not a module out of context"
    }
    if {[dict get $module boundary] ne [dict get $design boundary]} {
        error "model: the ports of [lindex $rest 0] are not those of $cell"
    }
    dict set design cells $cell [file rootname [file tail [lindex $rest 0]]]
    dict set design stage synthesised
}

proc model::do_update_design {options rest} {
    variable design
    set cell [option $options -cells]
    if {[dict exists $options -buffer_ports]} {
        if {[content $cell] ne "black_box"} {
            error "model: $cell has a [content $cell], expected a black box"
        }
        dict set design cells $cell grey_box
    } elseif {[dict exists $options -black_box]} {
        content $cell
        dict set design cells $cell black_box
    } else {
        error "model: update_design wants -black_box or -buffer_ports"
    }
    dict set design stage [expr {[dict exists $options -black_box] ? "emptied" : "synthesised"}]
}

proc model::do_lock_design {options rest} {
    variable design
    need_stage emptied
    if {[option $options -level] ni {logical placement routing}} {
        error "model: lock_design -level takes logical, placement or routing"
    }
    dict for {cell content} [dict get $design cells] {
        if {$content ne "black_box"} {
            error "model: $cell has a $content, expected a black box before the rest is locked"
        }
    }
    dict set design locked [expr {[option $options -level] eq "routing"}]
}

proc model::do_create_clock {options rest} {
    variable design
    set source [lindex $rest 0]
    if {[llength $source] != 1 || ![regexp {^(pin|port):} [lindex $source 0]]} {
        error "model: create_clock wants one pin or port, got '$source'"
    }
    if {![string is double -strict [option $options -period]]} {
        error "model: create_clock wants a period"
    }
    dict set design clocks [option $options -name] $source
}

# With a name and no source it renames what the tool derives at an output of a clock manager.
proc model::do_create_generated_clock {options rest} {
    variable design
    set pin [only pin [lindex $rest 0]]
    if {![regexp {/CLKOUT\d$} $pin]} {
        error "model: no clock is derived at $pin"
    }
    if {![dict size [dict get $design clocks]]} {
        error "model: there is no clock that one at $pin could be made of"
    }
    dict set design clocks [option $options -name] pin:$pin
}

proc model::timed {command options rest classes} {
    if {![string is double -strict [lindex $rest 0]]} {
        error "model: $command wants a number, got '$rest'"
    }
    foreach end {-from -to} {
        set objects [option $options $end]
        if {![llength $objects]} {
            error "model: $command has nothing $end"
        }
        foreach object $objects {
            if {[lindex [split $object :] 0] ni $classes} {
                error "model: $command $end takes $classes, got '$object'"
            }
        }
    }
}

proc model::do_set_max_delay {options rest} {
    timed set_max_delay $options $rest {clock cell pin port}
}

proc model::do_set_bus_skew {options rest} {
    variable design
    timed set_bus_skew $options $rest {cell pin port}
    if {[llength [option $options -from]] < 2} {
        error "model: set_bus_skew from less than two: no bus"
    }
    dict set design skews [list {*}[dict get $design skews] [lindex $rest 0]]
}

proc model::do_set_false_path {options rest} {
    timed set_false_path $options 0 {clock cell pin port}
}

proc model::do_create_pblock {options rest} {
    variable design
    need_design
    dict set design pblocks [lindex $rest 0] {cells {} ranges {}}
}

proc model::do_add_cells_to_pblock {options rest} {
    variable design
    set pblock [only pblock [lindex $rest 0]]
    check_all cell [lindex $rest 1]
    dict set design pblocks $pblock cells [lindex $rest 1]
}

proc model::do_resize_pblock {options rest} {
    variable design
    set pblock [only pblock [lindex $rest 0]]
    foreach range [option $options -add] {
        if {![regexp {^([A-Z0-9]+)_X\d+Y\d+:([A-Z0-9]+)_X\d+Y\d+$} $range all first last]
            || $first ne $last} {
            error "model: $range is no range of sites"
        }
    }
    dict set design pblocks $pblock ranges [option $options -add]
}

proc model::do_opt_design {options rest} {
    variable design
    need_stage synthesised
    dict for {cell content} [dict get $design cells] {
        if {$content eq "black_box"} {
            error "model: $cell is a black box (DRC INBB-3)"
        }
        if {!([has_property HD.RECONFIGURABLE cell:$cell true])} {
            error "model: $cell is not reconfigurable"
        }
    }
    dict set design stage optimised
}

proc model::do_place_design {options rest} {
    variable design
    need_stage optimised
    set placed {}
    dict for {name pblock} [dict get $design pblocks] {
        if {![llength [dict get $pblock ranges]]} {
            error "model: pblock $name has no sites"
        }
        lappend placed {*}[dict get $pblock cells]
    }
    foreach cell [dict keys [dict get $design cells]] {
        if {"cell:$cell" ni $placed} {
            error "model: $cell is reconfigurable and in no pblock"
        }
    }
    dict set design stage placed
}

proc model::do_phys_opt_design {options rest} {
    need_stage placed
}

proc model::do_route_design {options rest} {
    variable design
    need_stage placed
    dict set design stage routed
    if {![dict get $design locked]} {
        dict set design lineage "[clock microseconds] [pid]"
    }
}

proc model::report {options {text "a report of the model"}} {
    need_design
    set file [open [option $options -file] w]
    puts $file $text
    close $file
}

proc model::do_report_utilization {options rest} { report $options }
proc model::do_report_timing_summary {options rest} { report $options }
proc model::do_report_drc {options rest} { report $options }

# The layout of the tool's summary: the columns of a row begin on lines of their own where names are
# long. FPGA_RT_SKEW_SLACK is the slack of the last constraint, or `none` for a report without rows.
proc model::do_report_bus_skew {options rest} {
    variable design
    need_design
    set slack [expr {[info exists ::env(FPGA_RT_SKEW_SLACK)] ? $::env(FPGA_RT_SKEW_SLACK) : 6.5}]
    set lines [list "1. Bus Skew Report Summary" \
        "Id  Position  From  To  Corner  Requirement(ns)  Actual(ns)  Slack(ns)"]
    set skews [expr {$slack eq "none" ? {} : [dict get $design skews]}]
    foreach wanted $skews {
        set id [expr {[llength $lines] / 3 + 1}]
        set left [expr {$id == [llength $skews] ? $slack : 6.5}]
        lappend lines "$id   6$id        \[get_cells {source_reg\[*\]}\]" \
            "                    \[get_cells {sink_reg\[*\]}\]" \
            [format "%20s%20.3f%16.3f%12.3f" Slow $wanted [expr {$wanted - $left}] $left]
    }
    report $options [join $lines "\n"]
}

proc model::do_pr_verify {options rest} {
    set first [string trim [read_text [option $options -initial]]]
    foreach name [option $options -additional] {
        set other [string trim [read_text $name]]
        if {[dict get $other stage] ne "routed" || [dict get $first stage] ne "routed"} {
            error "model: pr_verify of $name: not routed"
        }
        if {[dict get $other lineage] ne [dict get $first lineage]} {
            error "model: pr_verify of $name: the part that stays is another"
        }
    }
    set verdict [expr {[info exists ::env(FPGA_RT_VERDICT)] ? $::env(FPGA_RT_VERDICT) : "are"}]
    set file [open [option $options -file] w]
    puts $file "INFO: PR_VERIFY: check points A and B $verdict compatible"
    close $file
}

proc model::do_write_bitstream {options rest} {
    variable design
    need_stage routed
    set cell [option $options -cell]
    set access none
    if {[dict exists $design properties "BITSTREAM.CONFIG.USR_ACCESS design:top"]} {
        set access [dict get $design properties "BITSTREAM.CONFIG.USR_ACCESS design:top"]
    }
    if {$access ne "none" && ![regexp {^0x[0-9a-fA-F]{8}$} $access]} {
        error "model: USR_ACCESS takes 8 hexadecimal digits, got $access"
    }
    if {$cell eq ""} {
        if {![dict exists $options -no_partial_bitfile]} {
            error "model: a full bitstream without -no_partial_bitfile also writes partial ones"
        }
        set arguments [list full all [dict values [dict get $design cells]] $access]
    } else {
        set arguments [list partial [file tail $cell] [content $cell] $access]
    }
    if {[info exists ::env(FPGA_RT_BITSTREAM)] && $::env(FPGA_RT_BITSTREAM) ne ""} {
        exec {*}$::env(FPGA_RT_BITSTREAM) {*}$arguments [lindex $rest 0] >@ stdout 2>@ stderr
    } else {
        set file [open [lindex $rest 0] w]
        puts $file $arguments
        close $file
    }
}
