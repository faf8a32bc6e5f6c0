# Kernels for a card under XRT: from Verilog to one xclbin for each module.
#
# Ref: Vitis Application Acceleration Development
# Document: UG1393, Packaging the RTL Code as a Vitis XO, package_xo Command, Linking the Kernels
# Ref: Vivado Design Suite User Guide: Creating and Packaging Custom IP
# Document: UG1118, Packaging IP; the steps are those that the packager's own Tcl console shows
#
# 1. Package the static region with each module in it as IP, and the IP as an .xo.
# 2. Link every .xo with the card's platform. `v++` has to be on PATH beside this tool.

namespace eval fpga_rt {
    variable stages {package link}
}

proc fpga_rt::modules {} {
    return [dict keys [of modules]]
}

# Return the path of what is made of a module: work/MODULE-DIGEST, and what is added.
proc fpga_rt::of_module {module suffix} {
    return [path [of modules $module work]]$suffix
}

proc fpga_rt::stage_package {} {
    foreach module [modules] {
        make [of_module $module .xo] {
            package_ip $module [of_module $module -ip]
            package_xo -force -xo_path $file -kernel_name [of kernel name] \
                -kernel_xml [path [of kernel xml]] -ip_directory [of_module $module -ip]
        }
    }
}

# Package the kernel with a module in it as IP, in a folder of its own.
proc fpga_rt::package_ip {module folder} {
    set scratch [of_module $module -project]
    file delete -force $folder $scratch
    create_project -force packaging $scratch -part [of part]
    foreach source [list {*}[of kernel sources] [of modules $module source]] {
        add_files -norecurse [path $source]
    }
    set_property top [of kernel name] [current_fileset]
    update_compile_order -fileset sources_1
    ipx::package_project -root_dir $folder -vendor [of kernel vendor] \
        -library [of kernel library] -taxonomy /KernelIP -import_files
    set core [ipx::current_core]
    describe_clock $core
    describe_registers $core
    set_property sdx_kernel true $core
    set_property sdx_kernel_type rtl $core
    set_property supported_families {} $core
    set_property auto_family_support_level level_2 $core
    ipx::create_xgui_files $core
    ipx::update_checksums $core
    if {[ipx::check_integrity -kernel $core] eq "0"} {
        error "the IP of $module is no kernel: the messages above say why"
    }
    ipx::save_core $core
    close_project
    file delete -force $scratch
}

# Say which ports the clock is of, which reset, and how fast it is.
proc fpga_rt::describe_clock {core} {
    foreach port [list [of kernel control] [of kernel memory]] {
        ipx::associate_bus_interfaces -busif $port -clock ap_clk $core
    }
    ipx::associate_bus_interfaces -clock ap_clk -reset ap_rst_n $core
    set clock [ipx::get_bus_interfaces ap_clk -of_objects $core]
    set frequency [ipx::add_bus_parameter -quiet FREQ_HZ $clock]
    set_property value [of frequency_hz] $frequency
    set_property value_resolve_type user $frequency
}

# Say where registers are, and which of them holds an address for which port.
proc fpga_rt::describe_registers {core} {
    set control [of kernel control]
    set block [ipx::add_address_block -quiet reg0 [ipx::add_memory_map -quiet $control $core]]
    set_property range [of kernel range] $block
    foreach entry [of kernel registers] {
        lassign $entry name offset bits port
        set register [ipx::add_register -quiet $name $block]
        set_property address_offset $offset $register
        set_property size $bits $register
        if {$port ne ""} {
            set parameter [ipx::add_register_parameter -quiet ASSOCIATED_BUSIF $register]
            set_property value $port $parameter
        }
    }
    set_property slave_memory_map_ref $control \
        [ipx::get_bus_interfaces $control -of_objects $core]
}

proc fpga_rt::check_link {} {
    if {[auto_execok v++] eq ""} {
        error "v++ is not on PATH: source settings64.sh of Vitis, which has this tool too"
    }
}

proc fpga_rt::stage_link {} {
    foreach module [modules] {
        make [path [of modules $module xclbin]] {
            run_linker $module $file
        }
    }
}

# Link an .xo; what the linker prints goes to this tool's own output.
proc fpga_rt::run_linker {module file} {
    set command [list v++ --link --target hw --platform [of platform] \
        --config [path [of kernel link]] --temp_dir [of_module $module -link] \
        --output $file [of_module $module .xo]]
    if {[catch {exec {*}$command >@stdout 2>@stderr} message]} {
        error "v++ has failed for $module ($message); another platform than [of platform] may be\
            installed: `platforminfo --list` says which, `fpga-rt build --platform` takes it"
    }
}
