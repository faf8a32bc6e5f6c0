# Every vendor command that scripts and constraints of this project may use: its options as the
# reference lists them, and where. `vendor NAME {flags} {options with a value} {positional: least
# most} REFERENCE`. UG835 is the Vivado Design Suite Tcl Command Reference Guide, v2022.1; each of
# its commands has a page of its own name.

vendor add_cells_to_pblock {-top -add_primitives -clear_locs -quiet -verbose} {} {1 2} \
    "UG835, add_cells_to_pblock"
vendor close_project {-delete -quiet -verbose} {} {0 0} "UG835, close_project"
vendor create_clock {-add -quiet -verbose} {-period -name -waveform} {0 1} "UG835, create_clock"
vendor create_generated_clock {-combinational -invert -add -quiet -verbose} \
    {-name -source -edges -divide_by -multiply_by -duty_cycle -edge_shift -master_clock} {1 1} \
    "UG835, create_generated_clock; UG903, Renaming Auto-Derived Clocks"
vendor create_pblock {-quiet -verbose} {} {1 1} "UG835, create_pblock"
vendor create_project {-force -in_memory -ip -rtl_kernel -quiet -verbose} {-part} {0 2} \
    "UG835, create_project"
vendor current_design {-quiet -verbose} {} {0 1} "UG835, current_design"
vendor get_cells {-hierarchical -regexp -nocase -match_style -quiet -verbose -include_replicated_objects} \
    {-hsc -filter -of_objects} {0 1} "UG835, get_cells"
vendor get_clocks {-regexp -nocase -include_generated_clocks -quiet -verbose} \
    {-filter -of_objects -match_style} {0 1} "UG835, get_clocks"
vendor get_parts {-regexp -nocase -quiet -verbose} {-filter -of_objects} {0 1} "UG835, get_parts"
vendor get_pblocks {-regexp -nocase -include_nested_pblocks -quiet -verbose} \
    {-filter -of_objects} {0 1} "UG835, get_pblocks"
vendor get_pins {-hierarchical -regexp -nocase -leaf -quiet -verbose -include_replicated_objects} \
    {-hsc -filter -of_objects -match_style} {0 1} "UG835, get_pins"
vendor get_ports {-regexp -nocase -quiet -verbose} {-filter -of_objects -match_style -scoped_to_current_instance} \
    {0 1} "UG835, get_ports"
vendor get_property {-min -max -quiet -verbose} {-class} {2 2} "UG835, get_property"
vendor get_timing_paths \
    {-unique_pins -no_report_unconstrained -user_ignored -routable_nets -quiet -verbose} \
    {-from -rise_from -fall_from -to -rise_to -fall_to -through -rise_through -fall_through
     -delay_type -setup -hold -max_paths -nworst -sort_by -slack_lesser_than -slack_greater_than
     -group -match_style -cell -filter -regexp -nocase -of_objects} {0 0} "UG835, get_timing_paths"
vendor lock_design {-unlock -export -quiet -verbose} {-level} {0 1} \
    "UG835, lock_design; UG909, Preserving Implementation Data"
vendor open_checkpoint {-quiet -verbose} {-part} {1 1} "UG835, open_checkpoint"
vendor opt_design {-retarget -propconst -sweep -bram_power_opt -remap -aggressive_remap -resynth_area
    -resynth_seq_area -muxf_remap -hier_fanout_limit -merge_equivalent_drivers -carry_remap
    -control_set_merge -quiet -verbose} {-directive} {0 0} "UG835, opt_design"
vendor phys_opt_design {-fanout_opt -placement_opt -routing_opt -slr_crossing_opt -rewire
    -insert_negative_edge_ffs -critical_cell_opt -dsp_register_opt -bram_register_opt
    -uram_register_opt -bram_enable_opt -shift_register_opt -hold_fix -aggressive_hold_fix -retime
    -critical_pin_opt -clock_opt -path_groups -tns_cleanup -sll_reg_hold_fix -quiet -verbose} \
    {-force_replication_on_nets -directive} {0 0} "UG835, phys_opt_design"
vendor place_design {-no_timing_driven -timing_summary -unplace -post_place_opt -no_psip
    -no_bufg_opt -ultrathreads -quiet -verbose} {-directive -effort_level} {0 0} \
    "UG835, place_design"
vendor pr_verify {-full_check -in_memory -quiet -verbose} {-file -initial -additional} {0 2} \
    "UG835, pr_verify; UG909, Verifying Configurations"
vendor read_checkpoint {-incremental -auto_incremental -quiet -verbose} \
    {-cell -directive -reuse_objects -fix_objects} {0 1} "UG835, read_checkpoint; UG909, Reading Design Modules"
vendor read_verilog {-sv -quiet -verbose} {-library} {1 1} "UG835, read_verilog"
vendor read_xdc {-cells -no_add -unmanaged -quiet -verbose} {-ref -quiet_diff_pairs -mode} {1 1} \
    "UG835, read_xdc"
vendor report_bus_skew {-no_detailed_paths -delay_type -setup -hold -no_header -append -return_string
    -warn_on_violation -quiet -verbose} {-name -file -rpx -cells -max_paths -nworst} {0 0} \
    "UG835, report_bus_skew"
vendor report_drc {-no_waivers -waived -append -return_string -quiet -verbose} \
    {-name -upgrade_cw -checks -ruledecks -file -rpx} {0 0} "UG835, report_drc"
vendor report_timing_summary {-check_timing_verbose -no_check_timing -no_header -no_detailed_paths
    -report_unconstrained -append -return_string -datasheet -routable_nets -warn_on_violation -quiet
    -verbose} {-delay_type -max_paths -nworst -significant_digits -path_type -input_pins
    -unique_pins -file -name -rpx -cells -slack_lesser_than} {0 0} "UG835, report_timing_summary"
vendor report_utilization {-append -hierarchical -return_string -packthru -slr -spreadsheet_write
    -quiet -verbose} {-file -pblocks -evaluate_pblock -exclude_child_pblocks
    -exclude_non_assigned -cells -name -spreadsheet_file -spreadsheet_table -format
    -hierarchical_depth -hierarchical_percentages -omit_locs} {0 0} "UG835, report_utilization"
vendor resize_pblock {-replace -quiet -verbose} {-add -remove -from -to -locs} {1 1} \
    "UG835, resize_pblock"
vendor route_design {-unroute -re_entrant -release_memory -timing_summary -tns_cleanup
    -no_timing_driven -preserve -physical_nets -pin -auto_delay -eco -ultrathreads -finalize -quiet
    -verbose} {-nets -directive -delay -pins -max_delay -min_delay} {0 0} "UG835, route_design"
vendor set_bus_skew {-quiet -verbose} {-from -rise_from -fall_from -to -rise_to -fall_to -through
    -rise_through -fall_through} {1 1} "UG835, set_bus_skew; UG903, Bus Skew Constraints"
vendor set_max_delay {-rise -fall -reset_path -datapath_only -quiet -verbose} {-from -rise_from
    -fall_from -to -rise_to -fall_to -through -rise_through -fall_through} {1 1} \
    "UG835, set_max_delay"
vendor set_false_path {-setup -hold -rise -fall -reset_path -quiet -verbose} {-from -rise_from
    -fall_from -to -rise_to -fall_to -through -rise_through -fall_through} {0 0} \
    "UG835, set_false_path"
vendor set_property {-quiet -verbose} {-dict} {2 3} "UG835, set_property"
vendor synth_design {-rtl -no_lc -shreg_min_size -fsm_extraction -no_srlextract -assert
    -retiming -quiet -verbose} {-name -part -constrset -top -include_dirs -generic -verilog_define
    -flatten_hierarchy -gated_clock_conversion -directive -bufg -rtl_skip_mlo -mode -keep_equivalent_registers
    -resource_sharing -cascade_dsp -control_set_opt_threshold -max_bram -max_uram -max_dsp
    -max_bram_cascade_height -max_uram_cascade_height} {0 0} "UG835, synth_design"
vendor update_design {-strict -black_box -buffer_ports -quiet -verbose} \
    {-from_file -from_design -from_cell -cells} {0 0} \
    "UG835, update_design; UG909, Implementing Greybox Modules"
vendor version {-short -quiet -verbose} {} {0 0} "UG835, version"
vendor write_bitstream {-force -verbose -raw_bitfile -no_binary_bitfile -mask_file -readback_file
    -logic_location_file -bin_file -no_partial_bitfile -quiet} {-reference_bitfile -cell} {1 1} \
    "UG835, write_bitstream; UG909, Generating Partial BIT Files"
vendor write_checkpoint {-force -incremental_synth -encrypt -quiet -verbose} {-cell -key -logic_function_stripped} {0 1} \
    "UG835, write_checkpoint"

# `property NAME CLASS {values} REFERENCE`; no values: any.

property ASYNC_REG cell {true false} "UG912, ASYNC_REG"
property BITSTREAM.CONFIG.USR_ACCESS design {} "UG908, Device Configuration Bitstream Settings"
property ENDPOINT_PIN timing_path {} "UG912, Timing Path"
property HD.RECONFIGURABLE cell {true false} "UG909, Define a Module as Reconfigurable"
property RESET_AFTER_RECONFIG pblock {true false} "UG909, Apply Reset After Reconfiguration"
property SLACK timing_path {} "UG912, Timing Path"
property SNAPPING_MODE pblock {ON OFF ROUTING} "UG909, Automatic Adjustments for Reconfigurable Partition Pblocks"
