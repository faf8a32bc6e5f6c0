# The Dynamic Function eXchange flow: from Verilog to full and partial bitstreams.
#
# Ref: Vivado Design Suite User Guide: Dynamic Function eXchange
# Document: UG909, Vivado Software Flow (bottom-up synthesis, black boxes, lock_design, pr_verify)
#
# 1. Synthesise the logic that stays, with black boxes for partitions, and every module by itself.
# 2. Implement the logic that stays with one module in every partition; then empty and lock it.
# 3. Implement every module in every partition it is for against that, the other partitions empty;
#    and once with all of them empty.
# 4. Compare all of them with the first, and write the bitstreams.
#
# What exists is not made again: every checkpoint and bitstream lies in a folder that is named by a
# digest of its sources, and gets its name only when it is whole.

namespace eval fpga_rt {
    variable stages {synthesis static modules bitstreams}
}

proc fpga_rt::partitions {} {
    return [dict keys [of partitions]]
}

proc fpga_rt::cell_of {partition} {
    return [of partitions $partition cell]
}

proc fpga_rt::static_file {name} {
    return [path [file join [of static work] $name]]
}

proc fpga_rt::module_file {module} {
    return [path [of modules $module checkpoint]]
}

proc fpga_rt::stage_synthesis {} {
    make [static_file synthesised.dcp] {
        create_project -in_memory -part [of part]
        foreach source [of static sources] {
            read_verilog [path $source]
        }
        read_xdc [path [of static clocks]]
        synth_design -top [of static top] -part [of part] -flatten_hierarchy rebuilt
        write_checkpoint -force $file
        close_project
    }
    foreach module [dict keys [of modules]] {
        make [module_file $module] {
            create_project -in_memory -part [of part]
            read_verilog [path [of modules $module source]]
            read_xdc -mode out_of_context [path [of module_constraints]]
            synth_design -mode out_of_context -top [of module_top] -part [of part] \
                -flatten_hierarchy rebuilt
            write_checkpoint -force $file
            close_project
        }
    }
}

proc fpga_rt::stage_static {} {
    make [static_file routed.dcp] {
        forget_implementation
        open_checkpoint [static_file synthesised.dcp]
        foreach partition [partitions] {
            set cell [cell_of $partition]
            read_checkpoint -cell $cell [module_file [of partitions $partition initial]]
            set_property HD.RECONFIGURABLE true [get_cells $cell]
        }
        foreach constraints [of static constraints] {
            read_xdc [path $constraints]
        }
        check_names
        implement [static_file routed]
        write_text [static_file implementation_id.txt] [new_implementation_id]
        write_checkpoint -force $file
        close_project
    }
    make [static_file locked.dcp] {
        open_checkpoint [static_file routed.dcp]
        foreach partition [partitions] {
            update_design -cell [cell_of $partition] -black_box
        }
        lock_design -level routing
        write_checkpoint -force $file
        close_project
    }
}

# Remove all that another implementation of the same sources has left.
proc fpga_rt::forget_implementation {} {
    foreach name [list locked.dcp blank.dcp bitstreams implementation_id.txt {*}[partitions]] {
        file delete -force [static_file $name]
    }
}

proc fpga_rt::stage_modules {} {
    make [static_file blank.dcp] {
        open_checkpoint [static_file locked.dcp]
        foreach partition [partitions] {
            update_design -cell [cell_of $partition] -buffer_ports
        }
        implement [static_file blank]
        write_checkpoint -force $file
        close_project
    }
    foreach run [of runs] {
        lassign $run partition module routed
        make [path $routed].dcp {
            open_checkpoint [static_file locked.dcp]
            foreach other [partitions] {
                if {$other ne $partition} {
                    update_design -cell [cell_of $other] -buffer_ports
                }
            }
            read_checkpoint -cell [cell_of $partition] [module_file $module]
            implement [path $routed]
            write_checkpoint -force $file
            close_project
        }
    }
}

# Refuse a design that lacks what constraints name: the tool only warns and leaves them out.
proc fpga_rt::check_names {} {
    foreach pattern [of static named] {
        if {![llength [get_cells -quiet $pattern]]} {
            error "constraints name $pattern, which is not in the synthesised design"
        }
    }
}

# Place and route the open design; refuse one that misses its clocks, or in which the bits of a bus
# between the clocks arrive too far apart. Reports begin with `name`.
proc fpga_rt::implement {name} {
    file mkdir [file dirname $name]
    opt_design
    place_design
    phys_opt_design
    route_design
    report_utilization -file ${name}_utilization.rpt
    report_timing_summary -file ${name}_timing.rpt
    report_bus_skew -file ${name}_bus_skew.rpt
    report_drc -file ${name}_drc.rpt
    foreach kind {max min} {
        set path [get_timing_paths -delay_type $kind -max_paths 1]
        set slack [expr {[llength $path] ? [get_property SLACK $path] : ""}]
        if {[string is double -strict $slack] && $slack < 0} {
            error "timing of $name is not met: slack of $slack ns at\
                [get_property ENDPOINT_PIN $path]; see ${name}_timing.rpt, and build for a slower\
                clock with `fpga-rt build --clock`"
        }
    }
    check_bus_skew ${name}_bus_skew.rpt
}

# Refuse a design with a bus skew that is too large. No timing path has it, only the report: a row
# for each constraint, which ends with requirement, actual skew and slack. One that reads otherwise
# does not pass.
proc fpga_rt::check_bus_skew {report} {
    set wanted 0
    foreach constraints [of static constraints] {
        incr wanted [regexp -all -line {^set_bus_skew } [read_text [path $constraints]]]
    }
    set number {[ \t]+(-?\d+\.\d+)}
    set rows [regexp -all -inline -line "\\m(?:Slow|Fast)$number$number$number\[ \\t\]*$" \
        [read_text $report]]
    if {[llength $rows] < 4 * $wanted} {
        error "bus skew is not known: got [expr {[llength $rows] / 4}] rows in $report, expected\
            $wanted of as many constraints; please report this"
    }
    foreach {row requirement actual slack} $rows {
        if {$slack < 0} {
            error "bus skew is too large: $actual ns, expected at most $requirement ns; see\
                $report, and build for a slower clock with `fpga-rt build --clock`: its period is\
                what is allowed"
        }
    }
}

proc fpga_rt::stage_bitstreams {} {
    compare_configurations
    make [path [of static bitstream]] {
        set id [string trim [read_text [static_file implementation_id.txt]]]
        open_checkpoint [static_file blank.dcp]
        set_property BITSTREAM.CONFIG.USR_ACCESS 0x$id [current_design]
        write_bitstream -force -no_partial_bitfile $file
        close_project
    }
    foreach partition [partitions] {
        make [path [of partitions $partition blank]] {
            write_partial [static_file blank.dcp] $partition $file
        }
    }
    foreach run [of runs] {
        lassign $run partition module routed bitstream
        make [path $bitstream] {
            write_partial [path $routed].dcp $partition $file
        }
    }
}

# Compare the part that stays, in every implementation, with the first. The tool's own error is not
# relied on alone: its report says in words when two are not compatible.
proc fpga_rt::compare_configurations {} {
    set report [static_file pr_verify.rpt]
    set others [list [static_file blank.dcp]]
    foreach run [of runs] {
        lappend others [path [lindex $run 2]].dcp
    }
    pr_verify -full_check -initial [static_file routed.dcp] -additional $others \
        -file $report
    if {[regexp -nocase {not\s+compatible|incompatible} [read_text $report]]} {
        error "implementations are not of one static region: see $report, remove\
            [path [of static work]] and run again"
    }
}

proc fpga_rt::write_partial {checkpoint partition file} {
    open_checkpoint $checkpoint
    write_bitstream -force -cell [cell_of $partition] $file
    close_project
}

# Return 8 hexadecimal digits that no other implementation has: partial bitstreams of two
# implementations of one design must not be mixed.
proc fpga_rt::new_implementation_id {} {
    set hash 0x811c9dc5
    foreach character [split "[clock microseconds] [pid] [info hostname] [clock clicks]" ""] {
        scan $character %c code
        set hash [expr {(($hash ^ $code) * 0x01000193) & 0xffffffff}]
    }
    return [format %08x [expr {$hash ? $hash : 1}]]
}
