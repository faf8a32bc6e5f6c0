# The packager of IP, and of kernels: what a core must have before it is one for Vitis.
#
# A core is a dictionary: name, vendor, library, interfaces (name -> ports, clock, reset, map,
# parameters), maps (name -> block, range, registers), properties, sources, checked, summed.

proc model::need_core {} {
    variable core
    if {$core eq {}} {
        error "model: no core is open"
    }
}

proc model::do_add_files {options rest} {
    variable project
    if {$project eq {}} {
        error "model: no project is open"
    }
    foreach name [lindex $rest 0] {
        dict lappend project sources [read_text $name]
    }
}

proc model::do_current_fileset {options rest} {
    return fileset:sources_1
}

proc model::do_update_compile_order {options rest} {
    if {[option $options -fileset] ne "sources_1"} {
        error "model: there is no fileset [option $options -fileset]"
    }
}

proc model::set_packaged {name object value} {
    variable project
    variable core
    set words [lrange [split $object :] 1 end]
    if {$name eq "top"} {
        if {$value ni [modules_in [dict get $project sources]]} {
            error "model: no source has the top module $value"
        }
        dict set project top $value
        return
    }
    need_core
    dict set core summed 0
    switch -- [lindex [split $object :] 0] {
        ipx_core { dict set core properties $name $value }
        ipx_block { dict set core maps [lindex $words 0] $name [number $name $value] }
        ipx_register {
            dict set core maps [lindex $words 0] registers [lindex $words 1] $name \
                [number $name $value]
        }
        ipx_interface {
            if {![dict exists $core maps $value]} {
                error "model: there is no memory map $value"
            }
            dict set core interfaces [lindex $words 0] map $value
        }
        ipx_parameter { dict set core parameters [join $words :] $name $value }
    }
}

proc model::number {name value} {
    if {![string is integer -strict $value]} {
        error "model: property $name takes a number, got '$value'"
    }
    return [expr {$value}]
}

# Return the interfaces that ports are of by their names, as the packager infers them.
proc model::inferred {ports} {
    set found {}
    foreach port $ports {
        set name [lindex $port end]
        if {[regexp {^(\w+?)_(aw|w|b|ar|r)(id|addr|len|size|burst|cache|data|strb|last|resp|valid|ready)$} \
                $name all interface]} {
            dict lappend found $interface $name
        } elseif {$name in {ap_clk ap_rst_n}} {
            dict lappend found $name $name
        } else {
            error "model: port $name is part of no interface (UG1393, RTL Kernel Interface Requirements)"
        }
    }
    return $found
}

proc model::do_ipx_package_project {options rest} {
    variable project
    variable core
    set top [dict get $project top]
    if {$top eq ""} {
        error "model: the project has no top module"
    }
    set whole [join [dict get $project sources] "\n"]
    check_hierarchy $whole
    set core [dict create name $top root [option $options -root_dir] summed 0 maps {} parameters {} \
        vendor [option $options -vendor] library [option $options -library] properties {} \
        interfaces {} sources $whole]
    foreach {interface ports} [inferred [ports_of $whole $top]] {
        dict set core interfaces $interface [dict create ports $ports clock {} reset {} map {} \
            address_bits 64]
        foreach port [ports_of $whole $top] {
            if {[regexp {\[(\d+):0\] (\w+_a[rw]addr)$} $port all high name] && $name in $ports} {
                dict with core interfaces $interface {
                    set address_bits [expr {min($address_bits, $high + 1)}]
                }
            }
        }
    }
    file mkdir [option $options -root_dir]
}

# Refuse instances of modules that are in no source.
proc model::check_hierarchy {whole} {
    set known [modules_in [list $whole]]
    foreach name {kernel_logic reconfigurable_module} {
        if {$name ni $known} {
            error "model: no source has module $name"
        }
    }
}

proc model::do_ipx_current_core {options rest} {
    variable core
    need_core
    return ipx_core:[dict get $core name]
}

proc model::do_ipx_get_bus_interfaces {options rest} {
    variable core
    only ipx_core [option $options -of_objects]
    set name [lindex $rest 0]
    if {![dict exists $core interfaces $name]} {
        error "model: the core has no interface $name: [dict keys [dict get $core interfaces]]"
    }
    return ipx_interface:$name
}

proc model::do_ipx_associate_bus_interfaces {options rest} {
    variable core
    only ipx_core [lindex $rest 0]
    foreach {what key} {-busif clock -reset reset} {
        if {![dict exists $options $what]} {
            continue
        }
        set name [expr {$what eq "-busif" ? [option $options -busif] : [option $options -clock]}]
        set value [expr {$what eq "-busif" ? [option $options -clock] : [option $options -reset]}]
        foreach each [list $name $value] {
            if {![dict exists $core interfaces $each]} {
                error "model: the core has no interface $each"
            }
        }
        dict set core interfaces $name $key $value
    }
    dict set core summed 0
}

proc model::do_ipx_add_bus_parameter {options rest} {
    return ipx_parameter:[only ipx_interface [lindex $rest 1]]:[lindex $rest 0]
}

proc model::do_ipx_add_memory_map {options rest} {
    variable core
    only ipx_core [lindex $rest 1]
    dict set core maps [lindex $rest 0] {registers {}}
    return ipx_map:[lindex $rest 0]
}

proc model::do_ipx_add_address_block {options rest} {
    return ipx_block:[only ipx_map [lindex $rest 1]]
}

proc model::do_ipx_add_register {options rest} {
    variable core
    lassign $rest name block
    set map [only ipx_block $block]
    if {[dict exists $core maps $map registers $name]} {
        error "model: there is a register $name already"
    }
    dict set core maps $map registers $name {}
    return ipx_register:$map:$name
}

proc model::do_ipx_add_register_parameter {options rest} {
    return ipx_parameter:[only ipx_register [lindex $rest 1]]:[lindex $rest 0]
}

proc model::do_ipx_create_xgui_files {options rest} { only ipx_core [lindex $rest 0] }

proc model::do_ipx_update_checksums {options rest} {
    variable core
    only ipx_core [lindex $rest 0]
    dict set core summed 1
}

# What Vitis wants of a kernel (UG1393, Packaging the RTL Code as a Vitis XO).
proc model::do_ipx_check_integrity {options rest} {
    variable core
    only ipx_core [lindex $rest 0]
    foreach {interface entry} [dict get $core interfaces] {
        if {[regexp {axi} $interface] && [dict get $entry clock] ne "ap_clk"} {
            error "model: interface $interface has no clock"
        }
    }
    if {[dict get $core interfaces ap_clk reset] ne "ap_rst_n"} {
        error "model: the clock has no ASSOCIATED_RESET"
    }
    foreach {property wanted} {sdx_kernel true sdx_kernel_type rtl} {
        if {![dict exists $core properties $property] \
                || [dict get $core properties $property] ne $wanted} {
            error "model: the core is no kernel: $property is not $wanted"
        }
    }
    foreach property {supported_families auto_family_support_level} {
        if {![dict exists $core properties $property]} {
            error "model: nothing says which families the core is for: $property is not set"
        }
    }
    if {![dict exists $core parameters ap_clk:FREQ_HZ value] \
            || ![string is integer -strict [dict get $core parameters ap_clk:FREQ_HZ value]]} {
        error "model: FREQ_HZ of ap_clk is missing or no number"
    }
    if {[dict get $core interfaces m_axi address_bits] != 64} {
        error "model: m_axi has no 64-bit addresses"
    }
    check_map [dict get $core interfaces s_axi_control map]
    return 1
}

# Registers lie within the range that the addresses reach, and a port has its pointer.
proc model::check_map {map} {
    variable core
    if {$map eq ""} {
        error "model: s_axi_control has no memory map"
    }
    set range [dict get $core maps $map range]
    if {$range > 1 << [dict get $core interfaces s_axi_control address_bits]} {
        error "model: a range of $range is beyond the addresses of s_axi_control"
    }
    foreach {name register} [dict get $core maps $map registers] {
        set end [expr {[dict get $register address_offset] + [dict get $register size] / 8}]
        if {$end > $range} {
            error "model: register $name ends beyond the range"
        }
    }
    foreach {name offset} {CTRL 0 GIER 4 IP_IER 8 IP_ISR 12} {
        if {![dict exists $core maps $map registers $name] \
                || [dict get $core maps $map registers $name address_offset] != $offset} {
            error "model: register $name is not at $offset (UG1393, Control Requirements for XRT-Managed Kernels)"
        }
    }
    pointer $core
}

# Return the register that holds the address for m_axi: a dictionary.
proc model::pointer {component} {
    foreach {key parameter} [dict get $component parameters] {
        lassign [split $key :] map register name
        if {$name eq "ASSOCIATED_BUSIF" && [dict get $parameter value] eq "m_axi"} {
            return [dict get $component maps $map registers $register]
        }
    }
    error "model: no register is the pointer of m_axi"
}

# Compare what kernel.xml says of registers with those of the IP.
proc model::check_kernel_xml {xml component} {
    set map [dict get $component interfaces s_axi_control map]
    set range [dict get $component maps $map range]
    set pointer [pointer $component]
    foreach {what pattern wanted} [list \
            range {name="s_axi_control"[^>]*\mrange="(0x[0-9a-f]+)"} $range \
            offset {<arg [^>]*port="m_axi"[^>]*\moffset="(0x[0-9a-f]+)"} \
                [dict get $pointer address_offset] \
            size {<arg [^>]*port="m_axi"[^>]*\msize="(0x[0-9a-f]+)"} \
                [expr {[dict get $pointer size] / 8}]] {
        if {![regexp $pattern $xml all got] || $got != $wanted} {
            error "model: kernel.xml has another $what than the IP, $wanted"
        }
    }
}

proc model::do_ipx_save_core {options rest} {
    variable core
    only ipx_core [lindex $rest 0]
    if {![dict get $core summed]} {
        error "model: the core has changed since update_checksums"
    }
    set file [open [file join [dict get $core root] component.xml] w]
    puts $file $core
    close $file
    set core {}
}

# Write an .xo: what the linker looks at.
proc model::do_package_xo {options rest} {
    if {[file exists [option $options -xo_path]] && ![dict exists $options -force]} {
        error "model: [option $options -xo_path] exists"
    }
    set component [read_text [file join [option $options -ip_directory] component.xml]]
    set xml [read_text [option $options -kernel_xml]]
    set name [option $options -kernel_name]
    set vlnv [dict get $component vendor]:[dict get $component library]:[dict get $component name]:1.0
    foreach {what text} [list name "kernel name=\"$name\"" vlnv "vlnv=\"$vlnv\""] {
        if {[string first $text $xml] < 0} {
            error "model: kernel.xml has another $what than $text"
        }
    }
    check_kernel_xml $xml $component
    set file [open [option $options -xo_path] w]
    puts $file [list kernel $name xml $xml sources [dict get $component sources]]
    close $file
}
