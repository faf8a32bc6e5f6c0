# What only the packaging of kernels uses: commands and properties as in commands.tcl.
#
# Commands of the packager (ipx::) have no page in UG835: the tool tells them itself (`help ipx::*`),
# UG1118 what they do, and the vendor's examples of kernels in which order.

vendor add_files {-norecurse -copy_to -force -scan_for_includes -quiet -verbose} \
    {-fileset -of_objects} {0 1} "UG835, add_files"
vendor current_fileset {-constrset -simset -srcset -blockset -quiet -verbose} {} {0 1} \
    "UG835, current_fileset"
vendor update_compile_order {-force_gui -quiet -verbose} {-fileset} {0 0} \
    "UG835, update_compile_order"
vendor ipx::add_address_block {-quiet -verbose} {} {2 2} \
    "UG1118, Addressing and Memory"
vendor ipx::add_bus_parameter {-quiet -verbose} {} {2 2} "UG1118, Ports and Interfaces"
vendor ipx::add_memory_map {-quiet -verbose} {} {2 2} "UG1118, Addressing and Memory"
vendor ipx::add_register {-quiet -verbose} {} {2 2} "UG1118, Addressing and Memory"
vendor ipx::add_register_parameter {-quiet -verbose} {} {2 2} \
    "UG1118, Addressing and Memory; UG1393, Packaging the RTL Code as a Vitis XO (ASSOCIATED_BUSIF)"
vendor ipx::associate_bus_interfaces {-clear -remove -quiet -verbose} {-busif -clock -reset} {1 1} \
    "UG1118, Ports and Interfaces; UG1393, Packaging the RTL Code as a Vitis XO"
vendor ipx::check_integrity {-kernel -quiet -verbose} {-xml_file} {0 1} \
    "UG1118, Review and Package; UG1393, Packaging the RTL Code as a Vitis XO"
vendor ipx::create_xgui_files {-quiet -verbose} {-logo_file} {1 1} "UG1118, Customization GUI"
vendor ipx::current_core {-quiet -verbose} {} {0 1} "UG1118, Packaging IP"
vendor ipx::get_bus_interfaces {-regexp -nocase -quiet -verbose} {-filter -of_objects} {0 1} \
    "UG1118, Ports and Interfaces"
vendor ipx::package_project {-import_files -force -force_update_compile_order -generated_files
    -quiet -verbose} {-root_dir -vendor -library -taxonomy -name -version -module -set_current} \
    {0 1} "UG1118, Packaging IP"
vendor ipx::save_core {-quiet -verbose} {} {1 1} "UG1118, Review and Package"
vendor ipx::update_checksums {-quiet -verbose} {} {1 1} "UG1118, Review and Package"
vendor package_xo {-force -quiet -verbose} {-xo_path -kernel_name -kernel_xml -output_kernel_xml
    -design_xml -ip_directory -parent_ip_directory -kernel_files -kernel_xml_args -kernel_xml_pipes
    -kernel_xml_connections -ctrl_protocol} {0 0} "UG1393, package_xo Command"

property address_offset ipx_register {} "UG1118, Addressing and Memory"
property auto_family_support_level ipx_core {level_0 level_1 level_2} "UG1118, Compatibility"
property range ipx_block {} "UG1118, Addressing and Memory"
property sdx_kernel ipx_core {true false} "UG1393, Packaging the RTL Code as a Vitis XO"
property sdx_kernel_type ipx_core {rtl hls} "UG1393, Packaging the RTL Code as a Vitis XO"
property size ipx_register {} "UG1118, Addressing and Memory"
property slave_memory_map_ref ipx_interface {} "UG1118, Addressing and Memory"
property supported_families ipx_core {} "UG1118, Compatibility"
property top fileset {} "UG835, current_fileset; UG912, FILESET"
property value ipx_parameter {} "UG1118, Customization Parameters"
property value_resolve_type ipx_parameter {immediate user generated dependent} \
    "UG1118, Customization Parameters"
